"""Where content lies in a bucket."""

import re
from typing import Self

import msgspec

from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RunKey, parse_run_key
from nexus_core.ports.payload_store import Content

# `s3a` is what Hadoop calls it, and what Go deployments write.
_URL = re.compile(r"s3a?://([^/]*)/*(.*)")

# What S3 allows, and what it once allowed and other servers still do.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")

_SUFFIXES = {Content.PAYLOAD: "", Content.RESULT: ".result"}

_MAX_PREFIX_LENGTH = 800
"""With algorithm, id and suffix it stays below the 1,024 bytes that S3 takes as a key."""


class Location(msgspec.Struct, frozen=True):
    """A bucket, and the part of it that is ours."""

    bucket: str
    prefix: str = ""
    """What all keys begin with: no slash at either end; empty: the whole bucket is ours."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `s3a://bucket/prefix` or `s3://bucket/prefix`.

        Raises:
            InvalidInputError: it is neither.
        """
        parts = _URL.fullmatch(url)
        if not parts or not _BUCKET.fullmatch(parts[1]):
            raise InvalidInputError(
                "must be s3a://<bucket>/<prefix>, the bucket of 3 to 63 letters, digits, '.', '-'"
            )
        prefix = parts[2].rstrip("/")
        if len(prefix.encode()) > _MAX_PREFIX_LENGTH or not prefix.isprintable():
            raise InvalidInputError(
                f"its prefix must be at most {_MAX_PREFIX_LENGTH} bytes of printable text"
            )
        if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
            raise InvalidInputError("its prefix must not have empty parts, '.' or '..'")
        return cls(parts[1], prefix)

    def key(self, content: Content, run: RunKey) -> str:
        """Return the key of an object.

        Raises:
            InvalidInputError: the run's key is none. Checked here too, though callers have: a name
                with a slash would lead out of the prefix.
        """
        parse_run_key(run.algorithm, run.request_id)
        place = f"algorithm={run.algorithm}/{run.request_id}{_SUFFIXES[content]}"
        return f"{self.prefix}/{place}" if self.prefix else place

    def uri(self, content: Content, run: RunKey) -> str:
        """Return what names an object in a checkpoint."""
        return f"s3a://{self.bucket}/{self.key(content, run)}"
