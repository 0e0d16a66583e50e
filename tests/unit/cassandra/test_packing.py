"""Payloads as they stand in a row, ours and those of the Go implementation."""

import gzip
import os
from base64 import b64decode, b64encode

import pytest

from nexus_core.adapters.cassandra.packing import DamagedError, TooLargeError, pack, packed_from

# Written by Go: `compress/gzip` at its standard level, then `base64.StdEncoding`.
GO = (
    "H4sIAAAAAAAA/6pWykvMTVWyUnJMSVTSUcorzU1KLSpWsoo21DHSM9XRNU41NIjVUcpLLS5JTVGyqla6sOvC7ot9F9uV"
    "rJTKDi8pSklVqq0FBAAA///SNit6RQAAAA=="
)
GO_PAYLOAD = '{"name":"Ada","numbers":[1,2.5,-3e10],"nested":{"ключ":"värde"}}'.encode()

MIB = 1024 * 1024


def unpacked(text: str) -> bytes:
    found = packed_from(text)
    body = b"".join(found.pieces())
    assert found.size == len(body)
    return body


def test_a_payload_that_go_packed_is_read() -> None:
    assert unpacked(GO) == GO_PAYLOAD


def test_what_is_packed_is_the_gzip_of_it_in_standard_base64() -> None:
    assert gzip.decompress(b64decode(pack(GO_PAYLOAD, MIB), validate=True)) == GO_PAYLOAD


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 5 * MIB])
def test_a_payload_comes_back_in_pieces_that_are_small(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    found = packed_from(pack(body, MIB))

    assert found.size == size
    pieces = list(found.pieces())
    assert b"".join(pieces) == body
    assert all(0 < len(piece) <= 256 * 1024 for piece in pieces)


def test_a_gzip_in_two_parts_is_read_to_its_end() -> None:
    text = b64encode(gzip.compress(b"one, ") + gzip.compress(b"two")).decode()
    assert unpacked(text) == b"one, two"


def test_what_is_as_large_as_it_may_be_is_packed() -> None:
    body = os.urandom(100_000)
    packed = pack(body, MIB)

    assert pack(body, len(packed)) == packed
    with pytest.raises(TooLargeError):
        pack(body, len(packed) - 1)


def test_what_is_much_too_large_is_given_up_before_all_of_it_is_packed() -> None:
    with pytest.raises(TooLargeError):
        pack(os.urandom(MIB) * 2, 1000)


@pytest.mark.parametrize(
    "text",
    ["", "no base64!", "aGVsbG8=", GO[:-8], GO[:40], b64encode(b64decode(GO) + b"more").decode()],
)
def test_what_is_no_whole_gzip_is_refused(text: str) -> None:
    with pytest.raises(DamagedError):
        packed_from(text)


def test_a_payload_with_a_wrong_checksum_is_refused() -> None:
    raw = bytearray(b64decode(GO))
    raw[-8] ^= 1
    with pytest.raises(DamagedError):
        packed_from(b64encode(raw).decode())
