"""What readiness leaves in the log."""

from contextlib import suppress

from structlog.testing import capture_logs

from nexus_core.aio.circuit import Circuit
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import UnavailableError
from nexus_core.web.probes import Health, PartState
from support.clock import ManualClock


class Part:
    """A part whose trouble a test sets."""

    def __init__(self) -> None:
        self.trouble = ""

    async def check(self) -> None:
        if self.trouble:
            raise UnavailableError(self.trouble)


async def test_a_part_that_is_away_is_logged_once_and_so_is_its_return() -> None:
    health, part = Health(), Part()
    health.watch("store", part.check)
    part.trouble = "store: wrong password"
    with capture_logs() as logs:
        for _ in range(3):
            readiness = await health.readiness()
            assert readiness.parts["store"].reason == "store: wrong password"
        part.trouble = "store: no keyspace"
        await health.readiness()
        part.trouble = ""
        for _ in range(3):
            assert (await health.readiness()).ready
    assert [(line["event"], line["part"], line.get("reason")) for line in logs] == [
        ("part is not ready", "store", "store: wrong password"),
        ("part is not ready", "store", "store: no keyspace"),
        ("part is ready again", "store", None),
    ]


async def test_a_part_that_is_ready_is_no_news() -> None:
    health = Health()
    health.watch("store", Part().check)
    with capture_logs() as logs:
        await health.readiness()
    assert logs == []


async def test_a_part_with_a_circuit_is_ready_when_that_is_closed(clock: ManualClock) -> None:
    health, part, circuit = Health(), Part(), Circuit("store", clock)
    health.show(circuit, required=True)
    async with BackgroundTasks() as tasks:
        part.trouble = "store: wrong password"
        tasks.start("ask", circuit.keep_asking(part.check))
        away = await health.readiness()
        part.trouble = ""
        still = await health.readiness()
        await clock.advance(1)
        back = await health.readiness()
    assert (away.ready, away.parts["store"].reason) == (False, "store: wrong password")
    assert still == away
    assert back.parts == {"store": PartState(ready=True)}


async def test_a_part_whose_circuit_knows_nothing_yet_is_not_ready(clock: ManualClock) -> None:
    health = Health()
    health.show(Circuit("store", clock), required=True)
    readiness = await health.readiness()
    assert (readiness.ready, readiness.parts["store"].ready) == (False, False)
    assert "did not answer" in readiness.parts["store"].reason


async def test_what_is_not_required_makes_nothing_unready(clock: ManualClock) -> None:
    health, circuit = Health(), Circuit("cluster", clock)
    health.show(circuit)
    with suppress(UnavailableError), circuit.call():
        raise UnavailableError("cluster: no route")
    readiness = await health.readiness()
    assert (readiness.ready, readiness.parts["cluster"].ready) == (True, False)
