"""Services of the release before and of this one, side by side, before each other and after.

That is what an upgrade one by one, a roll-out of all at once, and the way back make of them: see
`docs/operations/upgrades.md`.
"""

from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from nexus_core.domain.names import RunKey
from support.algorithms import Algorithms, environment_of
from support.deployment import SERVICES, Deployment, Servers
from support.release import THIS_RELEASE, InstalledRelease
from support.standalone import Standalone, a_standalone
from support.watched_service import a_watched_service
from tools.testbed.kubernetes.outcomes import Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("release before"),
    # The release is installed within the first of them.
    pytest.mark.timeout(300),
]

PARAMETERS = {"name": "Ada", "numbers": [1, 2.5, -3e10], "nested": {"ключ": "värde"}}

# As in `test_deaths`: a queue that is left behind, and soon another's.
SHORT_LEASE = {"NEXUS__LEASE_DURATION": "2s"}
HASTE = {"NEXUS__SWEEP__INTERVAL": "200ms", "NEXUS__SWEEP__STRAGGLER_GRACE": "1s"}
ONE_PLACE = {
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND": "0.001",
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST": "1",
}
ANOTHER = {"NEXUS__HOST_NAME": "another-scheduler"}

OLD, NEW = "before", "this"


def of(release: str, before: InstalledRelease) -> InstalledRelease:
    return before if release == OLD else THIS_RELEASE


async def submitted(deployment: Deployment, algorithm: str) -> RunKey:
    body = {"algorithmParameters": PARAMETERS}
    return RunKey(algorithm, await deployment.submit(algorithm, body))


async def is_served_to_its_end(deployment: Deployment, algorithms: Algorithms, run: RunKey) -> None:
    """Expect a run to read its payload, to upload a result and to report, as an algorithm does."""
    job = await algorithms.job(run)
    url = job["spec"]["template"]["spec"]["containers"][0]["args"][0].removeprefix("--sas-uri=")
    assert await deployment.fetch(url) == PARAMETERS
    upload = environment_of(job)["NEXUS__RESULT_UPLOAD_URL"]
    async with aiohttp.ClientSession() as anybody, anybody.put(upload, data=b'{"n": 1}') as stored:
        assert stored.status == 200
    await deployment.complete(run.algorithm, run.request_id)
    result = await deployment.finished(run.algorithm, run.request_id)
    assert result["status"] == "COMPLETED", result
    assert await deployment.fetch(result["resultUri"]) == {"n": 1}


@pytest.mark.parametrize("releases", list(product((OLD, NEW), repeat=3)), ids="-".join)
async def test_scheduler_receiver_and_supervisor_of_either_release_work_together(
    releases: tuple[str, ...],
    before: InstalledRelease,
    own_deployment: Deployment,
    algorithms: Algorithms,
) -> None:
    for service, release in zip(SERVICES, releases, strict=True):
        own_deployment.releases[service] = of(release, before)
    runs = await algorithms.publish(Outcome.RUNS)
    fails = await algorithms.publish(Outcome.FAILS)
    await own_deployment.start()

    served = await submitted(own_deployment, await own_deployment.learns(runs))
    failed = await submitted(own_deployment, await own_deployment.learns(fails))
    cancelled = await submitted(own_deployment, runs)
    await is_served_to_its_end(own_deployment, algorithms, served)
    assert (await own_deployment.finished(failed.algorithm, failed.request_id))[
        "status"
    ] == "DEADLINE_EXCEEDED"
    await algorithms.job(cancelled)
    await own_deployment.cancel(cancelled.algorithm, cancelled.request_id)
    await algorithms.gone(cancelled)
    for run in (served, failed, cancelled):
        path = f"/algorithm/explain/{run.algorithm}/requests/{run.request_id}"
        assert (await own_deployment.get(path))["steps"]
    assert set((await own_deployment.stop()).values()) == {0}


@pytest.mark.parametrize(("first", "then"), [(OLD, NEW), (NEW, OLD)], ids=["upgrade", "rollback"])
@pytest.mark.parametrize("name", [{}, ANOTHER], ids=["its own next start", "supervisors"])
async def test_the_queue_of_a_scheduler_that_dies_goes_on_in_the_other_release(
    first: str,
    then: str,
    name: dict[str, str],
    before: InstalledRelease,
    own_deployment: Deployment,
    algorithms: Algorithms,
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    own_deployment.releases["SCHEDULER"] = of(first, before)
    await own_deployment.start("SCHEDULER", **SHORT_LEASE, **ONE_PLACE)
    runs = [await submitted(own_deployment, await own_deployment.learns(algorithm))]
    runs += [await submitted(own_deployment, algorithm) for _ in range(3)]
    await algorithms.job(runs[0])
    await own_deployment.kill("SCHEDULER")

    own_deployment.releases = dict.fromkeys(SERVICES, of(then, before))
    await own_deployment.start("SUPERVISOR", **HASTE)
    await own_deployment.start("RECEIVER")
    await own_deployment.start("SCHEDULER", **name)
    for run in runs:
        await is_served_to_its_end(own_deployment, algorithms, run)


async def test_services_of_this_release_wait_for_their_schema_and_say_so(
    old_servers: Servers, tmp_path: Path
) -> None:
    settings = old_servers.settings()
    is_fit = THIS_RELEASE.schema("check", settings=settings) == 0
    words = {} if is_fit else {"checkpoint-store": ["is missing", "run `nexus-schema apply`"]}
    async with aiohttp.ClientSession() as session:
        for name in ("scheduler", "receiver", "supervisor"):
            async with a_watched_service(name, settings, tmp_path) as service:
                await service.comes_to_say(words, session)
                assert THIS_RELEASE.schema("apply", "--phase=pre", settings=settings) == 0
                await service.comes_to_say({}, session)
            words = {}


async def test_what_a_later_schema_took_away_is_said_by_services_of_the_release_before(
    old_servers: Servers, before: InstalledRelease, tmp_path: Path
) -> None:
    settings = old_servers.settings()
    async with (
        aiohttp.ClientSession() as session,
        a_watched_service("scheduler", settings, tmp_path, python=before.python) as service,
    ):
        await service.comes_to_say({}, session)
    assert THIS_RELEASE.schema("apply", settings=settings) == 0
    is_fit = before.schema("check", settings=settings) == 0
    words = {} if is_fit else {"checkpoint-store": ["is of a newer release"]}
    async with (
        aiohttp.ClientSession() as session,
        a_watched_service("scheduler", settings, tmp_path, python=before.python) as service,
    ):
        await service.comes_to_say(words, session)


async def test_data_of_one_machine_go_over_to_this_release(
    before: InstalledRelease, tmp_path: Path
) -> None:
    async with a_standalone(tmp_path) as standalone:
        standalone.release = before
        await standalone.start(**ONE_PLACE)
        first, second = [await said_hello(standalone, name) for name in ("Ada", "Grace")]
        assert await greeted(standalone, first) == "Hello, Ada!"
        await standalone.kill()

        standalone.release = THIS_RELEASE
        await standalone.start()
        # The one from what the release before left, the other from its queue.
        assert await greeted(standalone, first) == "Hello, Ada!"
        assert await greeted(standalone, second) == "Hello, Grace!"
        assert await standalone.stop() == 0


async def said_hello(standalone: Standalone, name: str) -> str:
    body: dict[str, Any] = {"algorithmParameters": {"name": name}}
    return await standalone.submit("hello-world", body)


async def greeted(standalone: Standalone, request_id: str) -> str:
    result = await standalone.finished("hello-world", request_id)
    return str((await standalone.fetch(result["resultUri"]))["greeting"])
