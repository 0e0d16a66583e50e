"""Against the examples that Amazon publishes, and against botocore."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import product
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.config import Config
from botocore.session import get_session

from nexus_core.adapters.s3.addresses import Addressing, BucketAddress
from nexus_core.adapters.s3.signatures import Credentials, Request, Signer

# From "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference.
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EXAMPLE_BUCKET = BucketAddress.of("https://s3.amazonaws.com", "examplebucket", Addressing.AUTO)
EXAMPLE_TIME = datetime(2013, 5, 24, tzinfo=UTC)
NOTHING = sha256(b"").hexdigest()

DAY = timedelta(days=1)

AWS = get_session()


class Place(NamedTuple):
    endpoint: str | None
    addressing: Literal["path", "virtual"]
    region: str


def a_signer() -> Signer:
    return Signer(EXAMPLE_BUCKET, "us-east-1")


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        (
            {"lifecycle": ""},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            {"max-keys": "2", "prefix": "J"},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_signs_the_published_requests(query: dict[str, str], signature: str) -> None:
    headers = a_signer().headers(EXAMPLE, Request("GET", query=query), NOTHING, EXAMPLE_TIME)
    assert headers == {
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": NOTHING,
        "x-amz-date": "20130524T000000Z",
        "authorization": (
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            f"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"
        ),
    }


def test_signs_the_published_url() -> None:
    url = a_signer().presign(EXAMPLE, "GET", "test.txt", now=EXAMPLE_TIME, valid_for=DAY)
    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


KEYS = ["nexus/algorithm=hello/5e0b8a3c.result", "a b+c~é%/&?#x"]
OPERATIONS = {"get_object": "GET", "put_object": "PUT"}


def a_botocore_client(place: Place, token: str) -> Any:
    return AWS.create_client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint,
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        aws_session_token=token or None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": place.addressing},
            request_checksum_calculation="when_required",
        ),
    )


@pytest.mark.parametrize("token", ["", "tok/en+=="])
@pytest.mark.parametrize(
    "place",
    [
        Place(None, "virtual", "eu-west-1"),
        Place(None, "path", "us-east-1"),
        Place(None, "virtual", "cn-north-1"),
        Place("http://127.0.0.1:9000", "path", "us-east-1"),
        Place("http://[::1]:9000", "path", "us-east-1"),
        Place("https://minio.example.org", "virtual", "here"),
        Place("https://minio.example.org:9443/s3/", "path", "here"),
    ],
)
def test_urls_are_those_of_botocore_byte_by_byte(place: Place, token: str) -> None:
    client = a_botocore_client(place, token)
    addressing = Addressing(place.addressing)
    address = BucketAddress.of(client.meta.endpoint_url, "a-bucket", addressing)
    signer = Signer(address, place.region)
    for (operation, method), key in product(OPERATIONS.items(), KEYS):
        expected = client.generate_presigned_url(
            operation, Params={"Bucket": "a-bucket", "Key": key}, ExpiresIn=3600
        )
        (time,) = parse_qs(urlsplit(expected).query)["X-Amz-Date"]
        now = datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        who = Credentials("AKID", "secret", token)
        url = signer.presign(who, method, key, now=now, valid_for=timedelta(hours=1))
        assert url == expected


def test_the_hash_of_the_body_and_its_type_are_signed() -> None:
    request = Request("PUT", "key", body=b"{}", content_type="application/json")
    signed = a_signer().headers(EXAMPLE, request, NOTHING, EXAMPLE_TIME)
    for other, digest in (
        (request, sha256(b"{}").hexdigest()),
        (request._replace(content_type="text/html"), NOTHING),
        (request._replace(key="kez"), NOTHING),
        (request._replace(query={"partNumber": "1"}), NOTHING),
    ):
        again = a_signer().headers(EXAMPLE, other, digest, EXAMPLE_TIME)
        assert again["authorization"] != signed["authorization"]


def test_temporary_credentials_send_their_token_along() -> None:
    temporary = EXAMPLE._replace(session_token="a token")
    headers = a_signer().headers(temporary, Request("GET", "key"), NOTHING, EXAMPLE_TIME)
    assert headers["x-amz-security-token"] == "a token"
    assert ";x-amz-security-token," in headers["authorization"]


def test_the_next_day_and_the_next_credentials_sign_with_another_key() -> None:
    signer, other = a_signer(), EXAMPLE._replace(secret_access_key="another")
    makers = [(EXAMPLE, EXAMPLE_TIME), (EXAMPLE, EXAMPLE_TIME + DAY), (other, EXAMPLE_TIME)]
    makers += makers
    urls = [signer.presign(who, "GET", "x", now=now, valid_for=DAY) for who, now in makers]
    fresh = [a_signer().presign(who, "GET", "x", now=now, valid_for=DAY) for who, now in makers]
    assert urls == fresh
    assert len(set(urls)) == 3
