"""What the containers of runs printed, told by an API server and the kubelets behind it.

A kubelet reads a container's newest file alone, ten mebibytes as a rule: what was rotated away is
not told. Its `limitBytes` cuts at the end of what is asked for, so the last lines are asked for,
and the last bytes of those are held on to.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta

from nexus_core.adapters.kubernetes.connection import Connection, Stream
from nexus_core.adapters.kubernetes.pod_states import started_at
from nexus_core.adapters.kubernetes.runs import ContainerStatus, Pod, run_of
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.journal import LogTail
from nexus_core.domain.log_tail import TailBuffer
from nexus_core.domain.names import RunKey
from nexus_core.domain.story.words import spoken
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import FollowedLog

PodsOf = Callable[[str], Awaitable[list[Pod]]]
"""Returns the pods of a Job."""

# For the next byte of a log that is followed: whoever follows one is let go before.
_LONGEST_SILENCE = 4 * 3600.0
# A node that did not answer is not asked again at once. All the runs on it would have to wait, and
# whatever else waits for these.
_NODE_PAUSE = 60.0
# Tries looked at, from the newest on, for one that printed anything.
_MOST_TRIES = 5
# Bytes of a line on average, or more; of shorter ones, less is read than there is room for.
_SHORT_LINE = 16
_FEWEST_LINES = 1000
# Runtimes write longer lines in pieces, and a kubelet counts each of these as a line.
_PIECE = 16 * 1024

_OK = 200
# The pod is gone; its container is not made yet, or its log is not there.
_NO_LOG = frozenset({400, 404})
# A kubelet has begun its answer before it looks for the container and its file, so it can't refuse
# any more, and says in the place of a log that there is none.
_KUBELET_FOUND_NONE = re.compile(
    r"(unable to retrieve container logs for \S+"
    r"|failed to (try resolving symlinks in path|open log file) .*no such file or directory)\s*"
)


class PodLogs:
    """Reads logs of runs in one namespace."""

    def __init__(
        self,
        connection: Connection,
        pods_path: str,
        pods_of: PodsOf,
        clock: Clock,
        patience: float,
    ) -> None:
        """`patience` is in seconds, for the node of a pod to tell one log."""
        self._patience = patience
        self._connection = connection
        self._pods_path = pods_path
        self._pods_of = pods_of
        self._clock = clock
        self._silent_until: dict[str, float] = {}

    async def tail(self, key: RunKey, limit: int) -> LogTail | None:
        """Return the end of a log; as the port says."""
        for pod in (await self._tries(key))[:_MOST_TRIES]:
            container = _container(pod)
            # Where a container was started again, the earlier one may tell why.
            for previous in (False, True) if container.last_state.terminated else (False,):
                tail = await self._tail_of(pod, container.name, limit, previous=previous)
                if tail is not None and tail.text:
                    return tail
        return None

    @asynccontextmanager
    async def followed(self, key: RunKey, lines: int) -> AsyncIterator[FollowedLog | None]:
        """Open a log; as the port says."""
        tries = await self._tries(key)
        if not tries:
            yield None
            return
        pod = tries[0]
        params = {"container": _container(pod).name, "tailLines": str(lines), "follow": "true"}
        async with AsyncExitStack() as stack:
            async with self._patient_with(pod):
                stream = await stack.enter_async_context(self._opened(pod, params))
            if stream is None:
                yield None
                return
            chunks = await stack.enter_async_context(aclosing(stream.chunks()))
            yield FollowedLog(pod.metadata.name, chunks)

    async def _tries(self, key: RunKey) -> list[Pod]:
        """Return the pods of a run that may have printed, the newest first."""
        pods = [
            (at, pod)
            for pod in await self._pods_of(key.request_id)
            if run_of(pod.metadata, pod.job_name) == key and (at := started_at(pod)) is not None
        ]
        return [pod for _, pod in sorted(pods, key=lambda found: found[0], reverse=True)]

    async def _tail_of(
        self, pod: Pod, container: str, limit: int, *, previous: bool
    ) -> LogTail | None:
        asked = max(_FEWEST_LINES, limit // _SHORT_LINE)
        params = {"container": container, "tailLines": str(asked)}
        if previous:
            params["previous"] = "true"
        buffer, lines, size = TailBuffer(limit), 0, 0
        async with self._patient_with(pod), self._opened(pod, params) as stream:
            if stream is None:
                return None
            async for chunk in stream.chunks():
                buffer.add(chunk)
                lines += chunk.count(b"\n")
                size += len(chunk)
        text, truncated = buffer.end()
        if _KUBELET_FOUND_NONE.fullmatch(text):
            return None
        return LogTail(
            text=text,
            at=self._clock.now(),
            pod=pod.metadata.name,
            truncated=truncated or lines + size // _PIECE >= asked,
        )

    @asynccontextmanager
    async def _opened(self, pod: Pod, params: dict[str, str]) -> AsyncIterator[Stream | None]:
        """Open a log; None when there is none.

        Raises:
            UnavailableError: the server refuses, in its own words, or can't be reached.
        """
        path = f"{self._pods_path}/{pod.metadata.name}/log"
        async with self._connection.stream(path, params, _LONGEST_SILENCE) as stream:
            if stream.status in _NO_LOG:
                yield None
            elif stream.status == _OK:
                yield stream
            else:
                answer = await stream.whole()
                raise UnavailableError(
                    f"{self._connection.origin}: can't read logs: {answer.refusal().message}",
                    answer.retry_after(self._clock.now()),
                )

    @asynccontextmanager
    async def _patient_with(self, pod: Pod) -> AsyncIterator[None]:
        """Let the block ask the node of a pod, and not wait for it for long.

        Raises:
            UnavailableError: it does not answer, or did not a moment ago.
        """
        node, now = pod.spec.node_name, self._clock.monotonic()
        if now < self._silent_until.get(node, now):
            raise self._silent(node)
        try:
            async with asyncio.timeout(self._patience):
                yield
        except TimeoutError as error:
            awaited = {name: until for name, until in self._silent_until.items() if now < until}
            self._silent_until = {**awaited, node: self._clock.monotonic() + _NODE_PAUSE}
            raise self._silent(node) from error

    def _silent(self, node: str) -> UnavailableError:
        return UnavailableError(
            f"{self._connection.origin}: no log from node {node} within "
            f"{spoken(timedelta(seconds=self._patience))}",
            _NODE_PAUSE,
        )


def _container(pod: Pod) -> ContainerStatus:
    """Return the algorithm's container, which is named like the Job, of a pod that has started."""
    containers = pod.status.container_statuses
    return next((c for c in containers if c.name == pod.job_name), containers[0])
