"""What is sent, and what it is run by: a request of 1 KiB and a template as people write them."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.load import post

ALGORITHM = "hello-world"
CATALOGUE = Path("examples")

BODY_BYTES = 1024


def request_body() -> bytes:
    """Return the body of a run request, of exactly 1 KiB."""
    body = {"algorithmParameters": {"name": "bench", "padding": ""}, "tag": "bench"}
    missing = BODY_BYTES - len(msgspec.json.encode(body))
    body["algorithmParameters"] = {"name": "bench", "padding": "x" * missing}
    return msgspec.json.encode(body)


def run_requests() -> Iterator[bytes]:
    """Return the same request for ever."""
    return itertools.repeat(post(f"/algorithm/v1/run/{ALGORITHM}", request_body()))


def completions(request_ids: Sequence[str]) -> Iterator[bytes]:
    """Return one completion a run."""
    body = msgspec.json.encode({"resultUri": "s3a://bucket/results/bench"})
    for request_id in request_ids:
        yield post(f"/algorithm/v1/complete/{ALGORITHM}/requests/{request_id}", body)
