"""Jobs in a real cluster, and waiting for what becomes of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kubernetes_asyncio import client

# A Job waits 10 s before its second try.
PATIENCE = 40.0


class ClusterJob:
    """A Job of one test, its pods, and the events of both."""

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._jobs, self._core = client.BatchV1Api(api), client.CoreV1Api(api)
        self._namespace, self._name = namespace, name

    @property
    def name(self) -> str:
        return self._name

    async def create(
        self,
        annotations: dict[str, str],
        pod: dict[str, Any] | None = None,
        container: dict[str, Any] | None = None,
        **spec: object,
    ) -> None:
        """Create it; `pod`, `container` and `spec` say what is special about it."""
        container = {
            "name": "algorithm",
            "image": "registry.example/nowhere:1",
            **(container or {}),
        }
        template = {
            "metadata": {"annotations": annotations},
            "spec": {"restartPolicy": "Never", "containers": [container], **(pod or {})},
        }
        body: Any = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": self._name},
            "spec": {"backoffLimit": 0, "template": template, **spec},
        }
        await self.create_from(body)

    async def create_from(self, manifest: Any) -> None:
        await self._jobs.create_namespaced_job(self._namespace, manifest)

    async def delete(self) -> None:
        await self._jobs.delete_namespaced_job(
            self._name, self._namespace, propagation_policy="Background"
        )

    async def pods(self) -> list[Any]:
        found = await self._core.list_namespaced_pod(
            self._namespace, label_selector=f"job-name={self._name}"
        )
        return list(found.items)

    async def conditions(self) -> dict[str, str]:
        """The Job's conditions that hold, with their reasons."""
        job = await self._jobs.read_namespaced_job(self._name, self._namespace)
        return {
            condition.type: condition.reason
            for condition in job.status.conditions or ()
            if condition.status == "True"
        }

    async def events(self) -> dict[str, str]:
        """The reasons of all events, with a message of each."""
        return dict(await self.told())

    async def told(self) -> list[tuple[str, str]]:
        """The reason and message of each event, in no order."""
        found = await self._core.list_namespaced_event(self._namespace)
        return [
            (event.reason, event.message)
            for event in found.items
            if event.involved_object.name.startswith(self._name)
        ]


async def until(look: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await look():  # noqa: ASYNC110 - so there is no event
            await asyncio.sleep(0.1)


async def container_state(job: ClusterJob, kind: str, *reasons: str) -> Any:
    """Wait until the container is in a state, for one of the reasons if any, and return it."""
    found: list[Any] = []

    async def look() -> bool:
        for pod in await job.pods():
            for container in pod.status.container_statuses or ():
                state = getattr(container.state, kind)
                if state is not None and (not reasons or state.reason in reasons):
                    found.append(state)
        return bool(found)

    await until(look)
    return found[-1]


async def event(job: ClusterJob, reason: str) -> str:
    """Wait for an event, and return what it says."""
    await until(lambda: has(job.events, reason))
    return (await job.events())[reason]


async def has(look: Callable[[], Awaitable[dict[str, str]]], key: str) -> bool:
    return key in await look()
