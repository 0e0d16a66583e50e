"""How Jobs share the machine, and what goes with what."""

from pathlib import Path

from nexus_core.domain.observation import JobPhase
from support.clock import ManualClock
from support.clusters import Witness, a_manifest, a_run_key, until_gone
from support.processes import OpenCluster, is_alive, number_in, until

UNTIL_TOLD = "while [ ! -e go ]; do sleep 0.01; done"


async def test_at_most_so_many_pods_run_and_the_others_wait(
    open_cluster: OpenCluster, directory: Path
) -> None:
    keys = [a_run_key() for _ in range(4)]
    async with open_cluster(max_pods=2) as cluster, Witness(cluster) as witness:
        for key in keys:
            await cluster.create_job(key, a_manifest(key, UNTIL_TOLD))
        await witness.sees(keys[0], "Started")
        await witness.sees(keys[1], "Started")
        for key in keys[2:]:
            waiting = await cluster.find_job(key)
            assert waiting is not None
            assert waiting.phase is JobPhase.ACTIVE
            assert not waiting.started

        (directory / "go").touch()
        for key in keys:
            await witness.sees_finished(key)


async def test_the_oldest_job_is_next(open_cluster: OpenCluster, directory: Path) -> None:
    keys = [a_run_key() for _ in range(6)]
    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        for key in keys:
            await cluster.create_job(key, a_manifest(key, UNTIL_TOLD))
        (directory / "go").touch()
        await witness.sees_finished(keys[-1])

    started = [seen.key for seen in witness.seen if seen.reason == "Started"]
    assert started == keys


async def test_a_job_that_tries_again_goes_before_younger_ones(
    open_cluster: OpenCluster, directory: Path, clock: ManualClock
) -> None:
    failing, running, youngest = (a_run_key() for _ in range(3))
    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        await cluster.create_job(failing, a_manifest(failing, "exit 1", backoffLimit=1))
        await witness.sees(failing, "Error")
        await cluster.create_job(running, a_manifest(running, UNTIL_TOLD))
        await cluster.create_job(youngest, a_manifest(youngest))
        await witness.sees(running, "Started")
        await clock.advance(1)

        (directory / "go").touch()
        await witness.sees_finished(youngest)

    order = [seen.key for seen in witness.seen if seen.reason == "Started"]
    assert order == [failing, running, failing, youngest]


async def test_waiting_for_a_place_does_not_use_up_the_deadline(
    open_cluster: OpenCluster, directory: Path, clock: ManualClock
) -> None:
    running, waiting = a_run_key(), a_run_key()
    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        await cluster.create_job(running, a_manifest(running, UNTIL_TOLD))
        await cluster.create_job(waiting, a_manifest(waiting, activeDeadlineSeconds=10))
        await witness.sees(running, "Started")
        await clock.advance(60)

        (directory / "go").touch()

        assert (await witness.sees_finished(waiting)).reason == "Completed"


async def test_a_waiting_job_can_be_deleted_and_leaves_its_place_to_others(
    open_cluster: OpenCluster, directory: Path
) -> None:
    running, waiting, last = (a_run_key() for _ in range(3))
    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        await cluster.create_job(running, a_manifest(running, UNTIL_TOLD))
        await cluster.create_job(waiting, a_manifest(waiting))
        await cluster.create_job(last, a_manifest(last))

        await cluster.delete_job(waiting)
        (directory / "go").touch()

        await witness.sees_finished(last)
        assert witness.reasons(waiting) == ["Deleted"]


async def test_a_refused_command_takes_no_place(open_cluster: OpenCluster) -> None:
    refused, next_one = a_run_key(), a_run_key()
    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        await cluster.create_job(refused, a_manifest(refused, container={"command": ["absent"]}))
        await cluster.create_job(next_one, a_manifest(next_one))

        await witness.sees_finished(next_one)


async def test_the_wait_between_tries_doubles(
    open_cluster: OpenCluster, clock: ManualClock
) -> None:
    key = a_run_key()
    async with open_cluster() as cluster, Witness(cluster) as witness:
        await cluster.create_job(key, a_manifest(key, "exit 1", backoffLimit=3))
        for attempt, wait in enumerate((1, 2, 4), start=1):
            await witness.sees(key, "Error", times=attempt)
            await clock.advance(wait - 0.5)
            assert witness.reasons(key).count("Started") == attempt
            await clock.advance(0.5)
        await witness.sees_finished(key)


async def test_the_deadline_holds_between_tries(
    open_cluster: OpenCluster, clock: ManualClock
) -> None:
    key = a_run_key()
    async with open_cluster() as cluster, Witness(cluster) as witness:
        manifest = a_manifest(key, "exit 1", backoffLimit=9, activeDeadlineSeconds=2)
        await cluster.create_job(key, manifest)
        await witness.sees(key, "Error")
        await clock.advance(1)
        await witness.sees(key, "Error", times=2)
        await clock.advance(1)

        assert (await witness.sees_finished(key)).reason == "DeadlineExceeded"
        assert witness.reasons(key).count("Started") == 2


async def test_when_the_time_of_a_finished_job_is_over_its_own_go_with_it(
    open_cluster: OpenCluster, clock: ManualClock, directory: Path
) -> None:
    parent, child = a_run_key(), a_run_key()
    async with open_cluster() as cluster, Witness(cluster) as witness:
        owner = await cluster.create_job(parent, a_manifest(parent, ttlSecondsAfterFinished=10))
        script = "echo $$ >pid; exec sleep 600"
        await cluster.create_job(child, a_manifest(child, script, owner=(parent, owner.uid)))
        await witness.sees_finished(parent)
        await until(lambda: number_in(directory / "pid"))

        await clock.advance(10)

        await until_gone(cluster, parent)
        await until_gone(cluster, child)
        assert not is_alive(number_in(directory / "pid") or 0)
