"""A control plane of one test, which dies, freezes and comes back."""

from typing import Any

import pytest

from tools.testbed.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.integration

NAMESPACES = "/api/v1/namespaces"
MADE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "made"}}


async def found(control_plane: ControlPlane) -> dict[str, Any] | None:
    async with control_plane.api() as api:
        return await api.get(f"{NAMESPACES}/made")


async def test_it_comes_back_from_death_with_what_it_had(control_plane: ControlPlane) -> None:
    async with control_plane.api() as api:
        made = await api.create(NAMESPACES, MADE)
        await control_plane.kill()
        assert not await api.ready()

    await control_plane.start()

    after = await found(control_plane)
    assert after is not None
    assert after["metadata"]["uid"] == made["metadata"]["uid"]


async def test_frozen_it_answers_nothing_until_it_thaws(control_plane: ControlPlane) -> None:
    await control_plane.freeze()
    async with control_plane.api(seconds=1.0) as api:
        assert not await api.ready()

    control_plane.thaw()

    async with control_plane.api() as api:
        assert await api.ready()
