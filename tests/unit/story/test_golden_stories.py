"""The whole story of one run after the other, as files that a person can read.

After a wanted change: `pytest tests/unit/story --update-golden`, then read the diff.
"""

from pathlib import Path

import pytest

from nexus_core.domain.journal import RunEventKind
from nexus_core.domain.stages import Stage
from nexus_core.domain.story.facts import Facts
from nexus_core.domain.story.telling import tell
from nexus_core.domain.story.text import as_text
from support.ways import PARENT, Way, at

GOLDEN = Path(__file__).parent / "golden"

K = RunEventKind
REFUSAL = "Cluster shard-0 answers 429: too many requests"
LIMIT_REACHED = "Job has reached the specified backoff limit"


def on_its_way() -> Way:
    """Return a run that was submitted at once, and whose pod has a node."""
    return Way().submitted(0.3).saw(K.SCHEDULED, 1, "pod-1", reason="node-1")


def running() -> Way:
    return Way().submitted(0.3).started(1)


def wavering() -> Way:
    """Return a run whose cluster refused again and again, for moments."""
    way = Way()
    for second in range(0, 60, 6):
        way.open(second + 2, 100 - second).refused(second + 5, REFUSAL)
    return way


WAITING = {
    "waits-for-its-turn": Way().open(1, 80).open(6, 60).behind(42).known_at(8),
    "waits-behind-one": Way().open(1, 2, rate=0.5).behind(1).known_at(3),
    "waits-behind-very-many": Way().open(1, 5000).behind(1000, or_more=True).known_at(3),
    "waits-as-the-next": Way().behind(0).known_at(0.2),
    "waits-for-a-cluster-that-refuses": Way()
    .open(1, 80)
    .refused(5, REFUSAL)
    .refused(10, REFUSAL)
    .behind(42)
    .known_at(12),
    "waits-for-nobody": Way().open(1, 80).behind(3).known_at(90),
    "waits-while-the-journal-is-away": Way()
    .behind(3)
    .known_at(90, "What happened to its pods could not be read: Cassandra does not answer."),
    "waits-for-its-payload": Way(lifecycle_stage=Stage.NEW).of_no_known_cluster().known_at(5),
}

RUNNING = {
    "runs-unheard": Way().submitted(0.3).known_at(5),
    "runs-suspended": Way()
    .submitted(0.3)
    .saw(K.SUSPENDED, 1, reason="JobSuspended", message="Job suspended")
    .known_at(3600),
    "runs-unscheduled": Way()
    .submitted(0.3)
    .saw(
        K.UNSCHEDULABLE,
        1,
        "pod-1",
        reason="Unschedulable",
        message="0/3 nodes are available: 3 Insufficient cpu.",
    )
    .known_at(200),
    "runs-scheduled": on_its_way().known_at(3),
    "runs-pulling": on_its_way()
    .saw(K.PULLING, 1, "pod-1", reason="ContainerCreating")
    .known_at(70),
    "runs-without-its-image": on_its_way()
    .saw(
        K.IMAGE_NOT_PULLED,
        1,
        "pod-1",
        reason="ErrImagePull",
        message="manifest for registry.test/algorithms/hello:1.0 not found",
    )
    .known_at(12),
    "runs": running().known_at(4000),
    "runs-with-a-failed-try": running().ended(9, 3, "Error").known_at(10),
    "runs-again": running().ended(9, 3, "Error").started(20, "pod-2", "node-2").known_at(30),
    "runs-and-was-resumed": Way()
    .submitted(0.3)
    .saw(K.SUSPENDED, 1, reason="JobSuspended", message="Job suspended")
    .saw(K.RESUMED, 60)
    .started(61)
    .known_at(90),
    "runs-no-more-and-said-nothing": running().ended(9, 0, "Completed").known_at(40),
    "runs-no-more-and-its-job-succeeded": running()
    .ended(9, 0, "Completed")
    .saw(K.JOB_ENDED, 10, reason="Completed")
    .known_at(40),
    "runs-no-more-and-its-job-failed": running()
    .ended(9, 1, "Error")
    .saw(K.JOB_ENDED, 10, reason="BackoffLimitExceeded", message=LIMIT_REACHED)
    .known_at(10.5),
    "runs-of-others": Way(received_by_host="")
    .of_no_known_cluster()
    .recorded(lifecycle_stage=Stage.RUNNING, last_modified=at(2), applied_configuration=None)
    .known_at(60),
}

FINISHED = {
    "completed": running()
    .ended(9, 0, "Completed")
    .saw(K.JOB_ENDED, 10, reason="Completed")
    .finished(9.4, Stage.COMPLETED),
    "completed-child": Way(parent=PARENT).submitted(0.3).finished(9.4, Stage.COMPLETED),
    "completed-after-a-long-queue": Way()
    .open(1, 1204)
    .open(6, 960)
    .refused(10, REFUSAL)
    .refused(15, REFUSAL)
    .open(17, 940, rate=25.0)
    .open(22, 700, rate=38.0)
    .submitted(36)
    .started(37)
    .finished(40, Stage.COMPLETED),
    "completed-though-its-cluster-wavered": wavering()
    .submitted(62)
    .started(63)
    .finished(80, Stage.COMPLETED),
    "completed-after-an-eviction": running()
    .saw(
        K.DISRUPTED,
        30,
        "pod-1",
        reason="EvictionByEvictionAPI",
        message="Eviction API: evicting",
    )
    .ended(30, 143, "Error")
    .started(32, "pod-2", "node-2")
    .finished(90, Stage.COMPLETED),
    "completed-when-its-scheduler-was-gone": Way()
    .saw(K.SUBMITTED_AHEAD, 40, reason="OwnerGone")
    .submitted(40)
    .started(41)
    .finished(60, Stage.COMPLETED),
    "completed-late": Way()
    .saw(K.SUBMITTED_AHEAD, 60, reason="Late")
    .submitted(60)
    .started(61)
    .finished(70, Stage.COMPLETED),
    "completed-before-its-start-was-recorded": Way().started(0).finished(2.5, Stage.COMPLETED),
    "completed-by-others": Way(received_by_host="", applied_configuration=None)
    .of_no_known_cluster()
    .submitted(3)
    .finished(100, Stage.COMPLETED),
    "dry-run": Way().recorded(lifecycle_stage=Stage.COMPLETED),
    "failed-in-its-own-words": running().finished(
        9, Stage.FAILED, "No tour: the matrix has 3 rows and 4 columns", "Traceback: …"
    ),
    "failed-fatally": running()
    .ended(9, 3, "Error")
    .saw(K.JOB_ENDED, 9, reason="PodFailurePolicy", message="exit code 3 matching FailJob rule")
    .finished(
        9.6,
        Stage.FAILED,
        "The algorithm ended with a fatal error: exit code 3.",
        "Container hello for pod default/pod-1 failed with exit code 3 matching FailJob rule",
    ),
    "failed-in-a-crash-loop": running()
    .ended(5, 1, "Error")
    .saw(
        K.BACKING_OFF,
        5,
        "pod-1",
        reason="CrashLoopBackOff",
        message="back-off 10s restarting failed container",
    )
    .finished(
        8,
        Stage.FAILED,
        "The algorithm crashed repeatedly: exit code 1.",
        "back-off 10s restarting failed container",
    ),
    "failed-silently": running()
    .ended(9, 0, "Completed")
    .saw(K.JOB_ENDED, 10, reason="Completed")
    .finished(71, Stage.FAILED, "The algorithm ended without reporting a result."),
    "failed-since-its-job-is-gone": running()
    .saw(K.JOB_DELETED, 20)
    .finished(
        90,
        Stage.FAILED,
        "The run's Job is gone from its cluster, and no result was reported.",
    ),
    "failed-by-others": Way(received_by_host="", applied_configuration=None)
    .of_no_known_cluster()
    .submitted(3)
    .finished(
        100,
        Stage.FAILED,
        "Algorithm encountered a fatal error during execution: BackOff",
        "Back-off restarting failed container",
    ),
    "timed-out": running()
    .saw(K.JOB_ENDED, 31, reason="DeadlineExceeded", message="Job was active longer")
    .finished(31.2, Stage.DEADLINE_EXCEEDED, "The run exceeded its deadline.", "Job was active"),
    "out-of-retries": running()
    .ended(5, 1, "Error")
    .started(15, "pod-2")
    .ended(20, 1, "Error", "pod-2")
    .saw(K.JOB_ENDED, 20, reason="BackoffLimitExceeded", message=LIMIT_REACHED)
    .finished(
        20.5,
        Stage.DEADLINE_EXCEEDED,
        "The algorithm failed more often than its retries allow: exit code 1.",
        LIMIT_REACHED,
    ),
    "out-of-memory": running()
    .ended(9, 137, "OOMKilled")
    .saw(K.JOB_ENDED, 10, reason="BackoffLimitExceeded", message=LIMIT_REACHED)
    .finished(
        10.2,
        Stage.DEADLINE_EXCEEDED,
        "The algorithm failed more often than its retries allow: it ran out of memory "
        "(limit 128Mi).",
        LIMIT_REACHED,
    ),
    "out-of-memory-by-others": running()
    .ended(9, 137, "OOMKilled")
    .finished(
        10.2,
        Stage.DEADLINE_EXCEEDED,
        "Algorithm exceeded its max allowed run time limit or retry attempt count.",
        LIMIT_REACHED,
    ),
    "never-ran-without-its-image": on_its_way()
    .saw(
        K.IMAGE_NOT_PULLED,
        1,
        "pod-1",
        reason="ErrImagePull",
        message="manifest for registry.test/algorithms/hello:1.0 not found",
    )
    .finished(
        31,
        Stage.SCHEDULING_FAILED,
        "The image of the algorithm could not be pulled: check its name, its tag, and the access "
        "to its registry.",
        "manifest for registry.test/algorithms/hello:1.0 not found",
    ),
    "never-ran-without-its-configuration": on_its_way()
    .saw(
        K.CONTAINER_NOT_CREATED,
        1,
        "pod-1",
        reason="CreateContainerConfigError",
        message='configmap "settings" not found',
    )
    .finished(
        31,
        Stage.SCHEDULING_FAILED,
        "The container of the algorithm could not be started: check the command and the "
        "configuration of its template.",
        'configmap "settings" not found',
    ),
    "never-ran-without-its-program": Way()
    .submitted(0.3)
    .saw(K.SCHEDULED, 1, "pod-1")
    .saw(
        K.ENDED,
        1,
        "pod-1",
        reason="StartError",
        message='exit code 128: exec: "no-such-program": executable file not found in $PATH',
    )
    .finished(
        1.5,
        Stage.SCHEDULING_FAILED,
        "The container of the algorithm could not be started: check the command and the "
        "configuration of its template.",
        'exec: "no-such-program": executable file not found in $PATH',
    ),
    "never-ran-for-lack-of-nodes": Way()
    .submitted(0.3)
    .saw(
        K.UNSCHEDULABLE,
        1,
        "pod-1",
        reason="Unschedulable",
        message="0/3 nodes are available: 3 Insufficient cpu.",
    )
    .finished(
        1801,
        Stage.SCHEDULING_FAILED,
        "No node of the cluster could take the run: check what it asks for, and the affinity and "
        "tolerations of its workgroup.",
        "0/3 nodes are available: 3 Insufficient cpu.",
    ),
    "never-ran-for-a-quota": Way()
    .submitted(0.3)
    .saw(K.POD_REFUSED, 1, reason="FailedCreate", message="exceeded quota: team")
    .finished(
        1.5,
        Stage.SCHEDULING_FAILED,
        "The cluster refused to create a pod for the run: check its quotas and the configuration "
        "of the template.",
        "exceeded quota: team",
    ),
    "never-ran-since-its-job-was-refused": Way().finished(
        0.4,
        Stage.SCHEDULING_FAILED,
        "Cluster 'shard-0' refused the Job of this run.",
        "spec.template.spec.containers[0].image: Required value",
    ),
    "never-ran-since-its-payload-was-not-stored": Way()
    .of_no_known_cluster()
    .finished(
        600,
        Stage.SCHEDULING_FAILED,
        "The payload of the run was not stored: please send the request again.",
    ),
    "never-ran-by-others": Way(received_by_host="", applied_configuration=None)
    .of_no_known_cluster()
    .finished(
        100,
        Stage.SCHEDULING_FAILED,
        "Algorithm submission was buffered, but failed to launch on the target cluster: Failed",
        'Failed to pull image "x": rpc error: code = NotFound',
    ),
    "cancelled-in-the-queue": Way()
    .open(1, 80)
    .finished(8, Stage.CANCELLED, "Cancelled by Ada.", "Reason: no longer needed."),
    "cancelled-while-it-ran": running()
    .ended(20, 137, "Error")
    .saw(K.JOB_DELETED, 20)
    .finished(20.4, Stage.CANCELLED, "Cancelled by Ada.", "Reason: no longer needed."),
    "cancelled-with-its-parent": Way(parent=PARENT)
    .submitted(0.3)
    .finished(
        8,
        Stage.CANCELLED,
        f"Cancelled by Ada, with its parent {PARENT.key}.",
        "Reason: no longer needed.",
    ),
}

CASES: dict[str, Facts] = {
    **WAITING,
    **RUNNING,
    **{name: way.known_at(4000) for name, way in FINISHED.items()},
}


@pytest.mark.parametrize("name", CASES)
def test_a_story_is_the_one_in_its_golden_file(name: str, request: pytest.FixtureRequest) -> None:
    file = GOLDEN / f"{name}.txt"
    facts = CASES[name]
    story = tell(facts)
    told = as_text(facts.checkpoint, story) + "\n" + ", ".join(s.what for s in story.steps) + "\n"
    if request.config.getoption("--update-golden"):
        file.write_text(told, "utf-8")
    assert told == file.read_text("utf-8")


def test_every_golden_file_has_its_story() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("name", FINISHED)
def test_the_end_of_a_finished_run_stands_last_and_says_what_to_do(name: str) -> None:
    facts = CASES[name]
    story = tell(facts)
    end = story.steps[-1]
    assert end.at == facts.checkpoint.last_modified
    assert end.advice == story.advice
    ended_well = facts.checkpoint.lifecycle_stage in {Stage.COMPLETED, Stage.CANCELLED}
    assert bool(story.advice) is not ended_well
