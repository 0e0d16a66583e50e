import pytest

from nexus_core.adapters.s3.addresses import Addressing, BucketAddress
from nexus_core.domain.errors import InvalidInputError


@pytest.mark.parametrize(
    ("endpoint", "bucket", "origin", "path"),
    [
        ("https://s3.eu-west-1.amazonaws.com", "b-1", "https://b-1.s3.eu-west-1.amazonaws.com", ""),
        (
            "https://s3.cn-north-1.amazonaws.com.cn",
            "bkt",
            "https://bkt.s3.cn-north-1.amazonaws.com.cn",
            "",
        ),
        # A wildcard certificate covers no further dots.
        (
            "https://s3.eu-west-1.amazonaws.com",
            "b.1",
            "https://s3.eu-west-1.amazonaws.com",
            "/b.1",
        ),
        ("http://127.0.0.1:9000", "bkt", "http://127.0.0.1:9000", "/bkt"),
        ("http://localhost:9000/", "bkt", "http://localhost:9000", "/bkt"),
        # What Go deployments have, where only the path works.
        ("http://minio.nexus.svc.cluster.local:9000", "bkt", None, "/bkt"),
        ("https://notamazonaws.com", "bkt", "https://notamazonaws.com", "/bkt"),
    ],
)
def test_names_the_bucket_where_the_server_expects_it(
    endpoint: str, bucket: str, origin: str | None, path: str
) -> None:
    address = BucketAddress.of(endpoint, bucket, Addressing.AUTO)
    assert address.origin == (origin or endpoint)
    assert address.path == path


def test_can_be_told_where_to_name_the_bucket() -> None:
    endpoint = "https://minio.example.org"
    virtual = BucketAddress.of(endpoint, "bkt", Addressing.VIRTUAL)
    assert (virtual.origin, virtual.path) == ("https://bkt.minio.example.org", "")
    path = BucketAddress.of("https://s3.amazonaws.com", "bkt", Addressing.PATH)
    assert (path.origin, path.path) == ("https://s3.amazonaws.com", "/bkt")


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://here:443", "here"),
        ("http://here:80", "here"),
        ("http://here:443", "here:443"),
        ("https://HERE:9000", "here:9000"),
        ("http://[::1]:9000", "[::1]:9000"),
    ],
)
def test_hosts_are_written_as_clients_send_them(endpoint: str, host: str) -> None:
    assert BucketAddress.of(endpoint, "bkt", Addressing.PATH).host == host


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "here",
        "here:9000",
        "ftp://here",
        "http://",
        "http://here:port",
        "http://a@b",
        "http://b?c",
    ],
)
def test_refuses_what_is_no_url(endpoint: str) -> None:
    with pytest.raises(InvalidInputError):
        BucketAddress.of(endpoint, "bkt", Addressing.AUTO)


def test_keys_are_encoded_once() -> None:
    address = BucketAddress.of("http://here", "bkt", Addressing.PATH)
    assert address.path_of("a/algorithm=b/c d%") == "/bkt/a/algorithm%3Db/c%20d%25"
