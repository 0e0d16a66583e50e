from datetime import timedelta
from itertools import permutations
from urllib.parse import parse_qsl, urlsplit

import pytest

from nexus_core.domain.data_urls import Door, SignedUrls, data_path
from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RunKey
from nexus_core.domain.signed_url import BadSignatureError, UrlExpiredError, UrlNotYetValidError
from support.runs import LONG_AGO

KEY = RunKey("hello-world", "5e0b8a3c-2f1d-4c7e-9a6b-0d1e2f3a4b5c")
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def some_urls(secret: bytes = b"a secret of tests", tenant: str = "nexus") -> SignedUrls:
    return SignedUrls("https://nexus.test/behind-a-proxy/", secret, tenant)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True))


def test_a_url_leads_through_the_base_url_to_a_path_that_is_signed_without_it() -> None:
    urls = some_urls()
    url = urls.make(Door.PAYLOADS, KEY, now=LONG_AGO, valid_for=HOUR, checksum="ZGVhZGJlZWY=")
    path = f"/data/v1/payloads/hello-world/requests/{KEY.request_id}"
    assert url.startswith(f"https://nexus.test/behind-a-proxy{path}?sig=")
    assert query_of(url)["chk"] == "ZGVhZGJlZWY="
    assert query_of(url)["tid"] == "nexus"
    urls.verify(path, query_of(url), LONG_AGO)


@pytest.mark.parametrize(("door", "other"), list(permutations(Door, 2)))
def test_no_url_opens_another_door(door: Door, other: Door) -> None:
    urls = some_urls()
    query = query_of(urls.make(door, KEY, now=LONG_AGO, valid_for=HOUR))
    urls.verify(data_path(door, KEY), query, LONG_AGO)
    with pytest.raises(BadSignatureError):
        urls.verify(data_path(other, KEY), query, LONG_AGO)


def test_a_url_is_valid_a_little_before_it_was_made_for_clocks_that_are_behind() -> None:
    urls = some_urls()
    path, query = (
        data_path(Door.RESULTS, KEY),
        query_of(urls.make(Door.RESULTS, KEY, now=LONG_AGO, valid_for=HOUR)),
    )
    urls.verify(path, query, LONG_AGO - timedelta(seconds=59))
    with pytest.raises(UrlNotYetValidError):
        urls.verify(path, query, LONG_AGO - timedelta(seconds=61))
    urls.verify(path, query, LONG_AGO + HOUR - SECOND)
    with pytest.raises(UrlExpiredError):
        urls.verify(path, query, LONG_AGO + HOUR)


def test_times_within_a_second_are_covered() -> None:
    made, valid_for = LONG_AGO + timedelta(milliseconds=400), timedelta(milliseconds=900)
    urls, path = some_urls(), data_path(Door.RESULTS, KEY)
    query = query_of(urls.make(Door.RESULTS, KEY, now=made, valid_for=valid_for))
    urls.verify(path, query, made + valid_for - timedelta(milliseconds=1))
    with pytest.raises(UrlExpiredError):
        urls.verify(path, query, made + valid_for + SECOND)


def test_another_secret_or_tenant_opens_nothing() -> None:
    query = query_of(some_urls().make(Door.RESULTS, KEY, now=LONG_AGO, valid_for=HOUR))
    for stranger in (some_urls(secret=b"another"), some_urls(tenant="another")):
        with pytest.raises(BadSignatureError):
            stranger.verify(data_path(Door.RESULTS, KEY), query, LONG_AGO)


def test_refuses_to_sign_with_no_secret() -> None:
    with pytest.raises(InvalidInputError):
        some_urls(secret=b"")
