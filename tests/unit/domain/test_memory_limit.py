"""The memory limit that a run is told when it ran out of memory."""

from typing import Any

import msgspec
import pytest

from nexus_core.domain.job_resources import memory_limit


def a_manifest(*containers: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"spec": {"template": {"spec": {"containers": containers}}}})


LIMITED = {"resources": {"limits": {"cpu": 1, "memory": "128Mi"}}}


@pytest.mark.parametrize(
    ("manifest", "limit"),
    [
        (a_manifest(LIMITED), "128Mi"),
        (a_manifest(LIMITED, {"resources": {"limits": {"memory": "1Gi"}}}), "128Mi"),
        (a_manifest({"resources": {"limits": {"memory": 134217728}}}), "134217728"),
        (a_manifest({"resources": {"limits": {"cpu": 1}}}), ""),
        (a_manifest({"resources": {"limits": None}}), ""),
        (a_manifest({"resources": None}), ""),
        (a_manifest({}), ""),
        (a_manifest(), ""),
        (b"{}", ""),
        (b"[]", ""),
        (b"no JSON", ""),
    ],
)
def test_the_limit_is_the_containers_and_empty_where_there_is_none(
    manifest: bytes, limit: str
) -> None:
    assert memory_limit(manifest) == limit
