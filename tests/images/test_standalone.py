"""The image of standalone at work: runs from request to result, and ends that lose nothing."""

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from support.caller import PATIENCE, Caller, own_host, own_ports
from support.containers import HARDENED, Container, Containers
from support.example_runs import ends_as_its_readme_says
from support.examples import ENDINGS
from support.waiting import until_so

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

# Of an engine that kills what does not end by itself, unless told otherwise.
STOP_SECONDS = 10

ORPHANING = """
apiVersion: science.sneaksanddata.com/v1
kind: NexusAlgorithmTemplate
metadata: {name: orphaning}
spec:
  container: {registry: registry.test, image: nexus-tests, versionTag: "1"}
  command: python3 /algorithms/orphaning.py
  computeResources: {limits: {cpu: "1", memory: 128Mi}}
  workgroupRef: {name: default, group: science.sneaksanddata.com, kind: NexusAlgorithmWorkgroup}
  runtimeEnvironment: {deadlineSeconds: 60, maximumRetries: 1}
"""
ORPHAN = """
import os, sys, time
sys.path.insert(0, "/app")
from examples.nexus_run import Run
def leave(payload):
    if os.fork() == 0:
        os.setsid()  # out of the group that is ended with the Job
        if os.fork() == 0:
            time.sleep(0.5)
        os._exit(0)
    return {}
Run().answer(leave)
"""
# Of all processes but the one that asks.
NAMES = """
import os
for pid in os.listdir("/proc"):
    if pid.isdigit() and int(pid) != os.getpid():
        print(open(f"/proc/{pid}/comm").read(), end="")
"""


class InContainer(Caller):
    """A client of a standalone in a container, which has one address inside and outside."""

    def __init__(self, containers: Containers, session: aiohttp.ClientSession) -> None:
        self.host, ports = own_host(), own_ports()
        self.port = ports["SCHEDULER"]
        super().__init__(f"http://{self.host}:{self.port}", session)
        self.containers = containers
        self.container: Container | None = None

    async def start(self, *options: str, user: str = "65532:65532") -> Container:
        """Start it, and wait until it is ready."""
        container = self.container = await self.containers.create(
            "standalone",
            *(*HARDENED, "--tmpfs=/tmp:mode=1777", f"--user={user}"),
            f"--publish={self.host}:{self.port}:{self.port}",
            f"--env=NEXUS__SCHEDULER__LISTEN__PORT={self.port}",
            f"--env=NEXUS__SCHEDULER_URL={self.url}",
            # Jobs fail here when they are seconds old, and are to go all the same.
            "--env=NEXUS__SWEEP__JOB_KEPT_FOR=0s",
            *options,
        )
        await container.start()
        await self.is_ready()
        return container

    async def is_ready(self) -> None:
        """Wait until it takes requests."""
        await until_so(lambda: self._is_ready(self.url), PATIENCE)

    async def holds_a_question(self) -> None:
        """Wait until somebody waits for a result."""
        await until_so(self._has_who_waits, PATIENCE)

    async def _has_who_waits(self) -> bool:
        async with self._session.get(f"{self.url}/metrics") as answer:
            return "nexus_scheduler_waiting_clients 1.0" in await answer.text()


@pytest.fixture
def standalone(containers: Containers, session: aiohttp.ClientSession) -> InContainer:
    return InContainer(containers, session)


@pytest.fixture
def orphaning(tmp_path: Path) -> Path:
    """A folder with an algorithm that leaves a process behind."""
    # As folders are that are mounted for others.
    tmp_path.chmod(0o755)
    (tmp_path / "orphaning.yaml").write_text(ORPHANING)
    (tmp_path / "orphaning.py").write_text(ORPHAN)
    return tmp_path


@pytest.mark.parametrize("user", ["65532:65532", "1000650000:0"], ids=["own", "of OpenShift"])
async def test_every_example_ends_as_its_readme_says(user: str, standalone: InContainer) -> None:
    await standalone.start(user=user)

    async with asyncio.TaskGroup() as runs:
        for algorithm in ENDINGS:
            runs.create_task(ends_as_its_readme_says(standalone, algorithm), name=algorithm)


async def test_stopped_while_busy_it_ends_in_time_and_the_next_start_completes_what_it_took(
    standalone: InContainer,
) -> None:
    container = await standalone.start()
    body = {"algorithmParameters": {"name": "Ada"}}
    accepted = {await standalone.submit("hello-world", body) for _ in range(20)}

    async with asyncio.timeout(STOP_SECONDS):
        assert await container.stop() == 0
    await container.start()
    await standalone.is_ready()

    for request_id in accepted:
        assert (await standalone.finished("hello-world", request_id))["status"] == "COMPLETED"
    assert Counter(run["requestId"] for run in await standalone.runs()) == Counter(accepted)


async def test_who_waits_for_a_result_is_answered_when_it_stops(standalone: InContainer) -> None:
    container = await standalone.start()
    run = await standalone.submit("overstays-deadline", {"algorithmParameters": {}})
    waiting = asyncio.create_task(
        standalone.get(f"/algorithm/results/overstays-deadline/requests/{run}?wait=60s")
    )
    await standalone.holds_a_question()

    assert await container.stop() == 0
    assert (await waiting)["requestId"] == run


async def test_a_second_signal_ends_it_at_once(standalone: InContainer) -> None:
    container = await standalone.start("--env=NEXUS__UNREADY_GRACE=300s")
    await container.signal("SIGTERM")
    await container.says('"stopping"')

    await container.signal("SIGTERM")
    assert await container.ends() == 143


async def test_as_the_first_process_it_hears_both_signals_too(standalone: InContainer) -> None:
    container = await standalone.start(
        "--entrypoint=nexus-standalone", "--env=NEXUS__UNREADY_GRACE=300s"
    )
    await container.signal("SIGTERM")
    await container.says('"stopping"')

    await container.signal("SIGTERM")
    assert await container.ends() == 143


async def test_as_the_first_process_it_drains_at_one_signal(standalone: InContainer) -> None:
    container = await standalone.start("--entrypoint=nexus-standalone")

    assert await container.stop() == 0


async def test_it_takes_leave_of_processes_that_nobody_waits_for(
    standalone: InContainer, orphaning: Path
) -> None:
    container = await standalone.start(
        f"--volume={orphaning}:/algorithms:ro",
        "--env=NEXUS__CATALOGUE__PATHS=/app/examples,/algorithms",
    )
    run = await standalone.submit("orphaning", {"algorithmParameters": {}})
    assert (await standalone.finished("orphaning", run))["status"] == "COMPLETED"

    # Dead ones that nobody took leave of would stay among them.
    await until_so(lambda: _only_its_own_processes(container), PATIENCE)


async def _only_its_own_processes(container: Container) -> bool:
    # From inside: the engine's own list has no dead ones.
    said = await container.docker("exec", container.id, "/usr/bin/python3", "-c", NAMES)
    return sorted(said.split()) == ["nexus-standalon", "tini"]
