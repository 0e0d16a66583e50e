"""What computes in the pods of the world on real servers.

KWOK keeps pods that have a status and no processes. So the algorithms run here, one for each pod
that has started: each does what `algorithm.sh` does in the other world, by way of the same URLs,
and then lets its pod end as a kubelet would tell it.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp
import msgspec

from chaos.history import JobMade, PayloadRead, Recorder, Started, now
from nexus_core.domain.names import RunKey
from tools.testbed.kubernetes.outcomes import DURATION, EXIT_CODE, OUTCOME, Outcome

# For one try, and for all tries of one call: published clients are as patient.
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_PATIENCE = 90.0
_PAUSE = 0.3

# Whoever lingers does so for longer than anybody waits.
_LONG = 400.0


class Pod(msgspec.Struct, frozen=True, kw_only=True):
    """A pod of a run, as it is seen just now."""

    name: str
    uid: str
    run: RunKey
    job_uid: str
    environment: Mapping[str, str]
    running: bool
    """Its container runs, and nobody has told it to end."""


class Shard(Protocol):
    """The cluster in which the pods are."""

    def pods(self) -> AsyncIterator[Pod]:
        """Follow all pods of runs, those that are being deleted included; for ever."""

    async def end_pod(self, name: str, annotations: Mapping[str, str]) -> None:
        """Let a pod end as these annotations say; one that is gone is no matter."""


class Algorithms:
    """Runs an algorithm in each pod that has started, until it is done or its pod is deleted."""

    def __init__(self, shard: Shard, recorder: Recorder, session: aiohttp.ClientSession) -> None:
        self._shard = shard
        self._recorder = recorder
        self._session = session
        self._running: dict[str, asyncio.Task[None]] = {}
        """By the uid of the pod; those that have ended, too."""
        self._tries: defaultdict[str, list[str]] = defaultdict(list)
        """The uids of the pods that started, by that of their Job."""
        self._pod_of: dict[RunKey, Pod] = {}
        self._begun: defaultdict[RunKey, asyncio.Event] = defaultdict(asyncio.Event)
        self._jobs: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def computing(cls, shard: Shard, recorder: Recorder) -> AsyncIterator["Algorithms"]:
        """Run what is in the pods while the block runs."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as session:
            algorithms = cls(shard, recorder, session)
            following = asyncio.create_task(algorithms._follow(), name="pods")
            try:
                yield algorithms
            finally:
                tasks = {following, *algorithms._running.values()}
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    async def started(self, run: RunKey) -> None:
        """Return when an algorithm of a run has begun."""
        await self._begun[run].wait()

    async def lose_pod(self, run: RunKey) -> None:
        """Let the node of the first try of a run drive it out."""
        pod = self._pod_of[run]
        self._stop(pod.uid)
        await self._shard.end_pod(pod.name, {OUTCOME: Outcome.EVICTED, DURATION: "0s"})

    async def _follow(self) -> None:
        async for pod in self._shard.pods():
            self._see(pod)

    def _see(self, pod: Pod) -> None:
        if pod.job_uid not in self._jobs:
            self._jobs.add(pod.job_uid)
            self._recorder.write(JobMade(at=now(), by="cluster", run=pod.run, uid=pod.job_uid))
        if not pod.running:
            self._stop(pod.uid)
        elif pod.uid not in self._running:
            self._start(pod)

    def _start(self, pod: Pod) -> None:
        tries = self._tries[pod.job_uid]
        attempt = len(tries)
        tries.append(pod.uid)
        started = Started(at=now(), run=pod.run, uid=pod.job_uid, attempt=attempt)
        self._recorder.write(started)
        self._pod_of.setdefault(pod.run, pod)
        self._begun[pod.run].set()
        self._running[pod.uid] = asyncio.create_task(
            self._compute(pod, attempt), name=f"try {attempt} of {pod.run}"
        )

    def _stop(self, uid: str) -> None:
        if (task := self._running.get(uid)) is not None:
            task.cancel()

    async def _compute(self, pod: Pod, attempt: int) -> None:
        try:
            ending = await self._answer(pod, attempt)
        except _GivenUpError:
            ending = {OUTCOME: Outcome.FAILS.value, EXIT_CODE: "9"}
        await self._shard.end_pod(pod.name, {**ending, DURATION: "0s"})

    async def _answer(self, pod: Pod, attempt: int) -> Mapping[str, str]:
        """Do what the payload says; return how the pod is to end."""
        payload = json.loads(await self._send("GET", pod.environment["NEXUS__PAYLOAD_URL"]))
        label, act = payload["label"], payload["act"]
        self._recorder.write(PayloadRead(at=now(), run=pod.run, label=label))
        await asyncio.sleep(float(payload["pause"]))
        match act:
            case "end-fatally":
                return {OUTCOME: Outcome.FAILS, EXIT_CODE: "17"}
            case "fail":
                return {OUTCOME: Outcome.FAILS, EXIT_CODE: "1"}
            case "fail-first" if attempt == 0:
                return {OUTCOME: Outcome.FAILS, EXIT_CODE: "23"}
            case "take-memory":
                return {OUTCOME: Outcome.OUT_OF_MEMORY}
            case "say-nothing":
                return {OUTCOME: Outcome.COMPLETES}
        for report in await self._reports(pod, act, label, attempt):
            await self._complete(pod, report)
        return {OUTCOME: Outcome.COMPLETES}

    async def _reports(
        self, pod: Pod, act: str, label: str, attempt: int
    ) -> Sequence[Mapping[str, str]]:
        """Compute, and return what is to be reported, one after the other."""
        completed = {"resultUri": f"s3a://chaos/{label}"}
        match act:
            case "upload":
                body = json.dumps({"label": label}, separators=(",", ":")).encode()
                await self._send("PUT", pod.environment["NEXUS__RESULT_UPLOAD_URL"], body)
                return [{}]
            case "report-error":
                return [{"errorCause": f"{label} can't be computed.", "errorDetails": "as told"}]
            case "complete-twice":
                return [completed, completed]
            case "linger":
                await asyncio.sleep(_LONG)
            case "linger-once" if attempt == 0:
                await asyncio.sleep(_LONG)
        return [completed]

    async def _complete(self, pod: Pod, report: Mapping[str, str]) -> None:
        url = (
            f"{pod.environment['NEXUS__RECEIVER_URL']}/algorithm/v1/complete"
            f"/{pod.run.algorithm}/requests/{pod.run.request_id}"
        )
        await self._send("POST", url, json.dumps(report).encode())

    async def _send(self, method: str, url: str, body: bytes | None = None) -> bytes:
        """Send until it is answered for good; return the answer."""
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    status, answer = await self._try(method, url, body, headers)
                    if 200 <= status < 300:
                        return answer
                    if status not in {0, 429} and status < 500:
                        break
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            pass
        raise _GivenUpError

    async def _try(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        try:
            async with self._session.request(method, url, data=body, headers=headers) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return 0, b""


class _GivenUpError(Exception):
    """An algorithm was refused, or never answered; it ends with an exit code."""
