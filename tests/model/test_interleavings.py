"""All orders in which those who change a run can get in each other's way.

Each test lets some of the real use cases act at once, and goes through every order in which their
calls can reach store and cluster, with Jobs that start and end at any moment in between. What must
hold in all of them stands in `RunPlay.check` and `RunPlay.end`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import pytest

from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from support.exploring import Budget, Explored, Turns, explore
from support.run_play import A_WHILE, RunPlay

RUN = RunKey("hello-world", "run")

Cast = Mapping[str, Callable[[RunPlay], Awaitable[object]]]

SCHEDULER: Cast = {"scheduler": lambda play: play.launch(RUN)}
RESTARTED: Cast = {"scheduler, restarted": lambda play: play.launch(RUN)}
ALGORITHM: Cast = {"algorithm": lambda play: play.report(RUN)}
CLIENT: Cast = {"client": lambda play: play.cancel(RUN)}
SUPERVISOR: Cast = {"supervisor": lambda play: play.sweep()}
ANOTHER: Cast = {"another supervisor": lambda play: play.sweep()}


def one_run(cast: Cast, turns: Turns) -> RunPlay:
    play = RunPlay(turns, cast)
    play.have(id=RUN.request_id)
    return play


def explored(*casts: Cast, **budget: int) -> Explored:
    together = {name: act for cast in casts for name, act in cast.items()}
    return explore(partial(one_run, together), Budget(**budget))


def stages(found: Explored) -> set[Stage]:
    """Return the stages that the run was in when all had acted, before the last sweeps."""
    return {Stage(str(stage)) for stage in found.endings}


@pytest.mark.timeout(600)  # seconds on a quiet machine
@pytest.mark.parametrize(
    ("casts", "budget", "among"),
    [
        (
            (SCHEDULER, ALGORITHM),
            {"deaths": 1, "losses": 1, "refusals": 1, "delays": 1},
            {Stage.BUFFERED, Stage.RUNNING, Stage.COMPLETED},
        ),
        ((SCHEDULER, SUPERVISOR), {}, {Stage.RUNNING, Stage.DEADLINE_EXCEEDED}),
        ((SCHEDULER, RESTARTED, ALGORITHM), {"deaths": 1, "losses": 1}, {Stage.COMPLETED}),
        ((SCHEDULER, ALGORITHM, CLIENT), {"deaths": 1}, {Stage.COMPLETED, Stage.CANCELLED}),
        ((SUPERVISOR, ANOTHER), {}, {Stage.RUNNING, Stage.DEADLINE_EXCEEDED}),
        ((SUPERVISOR, ALGORITHM, CLIENT), {"deaths": 1}, {Stage.COMPLETED, Stage.CANCELLED}),
        ((SCHEDULER, ALGORITHM, SUPERVISOR), {}, {Stage.COMPLETED, Stage.DEADLINE_EXCEEDED}),
    ],
    ids=[
        "a launch and a report",
        "a launch and a sweep",
        "two launches and a report",
        "a launch, a report and a cancellation",
        "two sweeps",
        "a sweep, a report and a cancellation",
        "a launch, a report and a sweep",
    ],
)
def test_a_run_ends_once_in_every_order(
    casts: Sequence[Cast], budget: dict[str, int], among: set[Stage]
) -> None:
    found = explored(*casts, **budget)

    assert stages(found) >= among  # an exploration that gets nowhere would find nothing


def late_run(cast: Cast, turns: Turns) -> RunPlay:
    """Give a run that waited so long that scheduler and supervisors all go for it."""
    play = one_run(cast, turns)
    play.clock.elapsed = A_WHILE
    play.whiles_left = 0
    return play


@pytest.mark.timeout(600)
def test_a_launch_that_looked_and_was_slow_to_send_makes_no_second_job() -> None:
    """Meanwhile another launches the run, its Job fails, and a sweep settles that."""
    found = explore(partial(late_run, {**SCHEDULER, **RESTARTED, **SUPERVISOR}))

    assert stages(found) >= {Stage.RUNNING, Stage.DEADLINE_EXCEEDED}
