"""What is looked at again and again, and told."""

import pytest
from structlog.testing import capture_logs

from nexus_core.aio.inspection import Inspection
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import UnavailableError
from support.clock import ManualClock


class Thing:
    """Something that may be amiss, or not be looked at."""

    def __init__(self) -> None:
        self.found = ""
        self.error: Exception | None = None

    async def look(self) -> str:
        if self.error:
            raise self.error
        return self.found


async def test_what_is_found_is_told_until_it_is_mended(clock: ManualClock) -> None:
    thing = Thing()
    inspection = Inspection("thing", thing.look, clock)
    with capture_logs() as logs:
        async with BackgroundTasks() as tasks:
            inspection.start(tasks)
            await clock.advance(0)
            await inspection.check()
            thing.found = "is crooked"
            await clock.advance(60)
            with pytest.raises(UnavailableError, match=r"^is crooked$"):
                await inspection.check()
            thing.found = ""
            await clock.advance(60)
            await inspection.check()

    # Once, however often it was looked at, and though nobody asked.
    assert [line["event"] for line in logs] == ["part is not ready", "part is ready again"]


@pytest.mark.parametrize("error", [UnavailableError("away"), TypeError("a mistake of ours")])
async def test_what_cant_be_looked_at_stays_as_it_was_found(
    clock: ManualClock, error: Exception
) -> None:
    thing = Thing()
    thing.found = "is crooked"
    inspection = Inspection("thing", thing.look, clock)
    async with BackgroundTasks() as tasks:
        inspection.start(tasks)
        await clock.advance(0)
        thing.found, thing.error = "", error
        await clock.advance(60)
        with pytest.raises(UnavailableError, match="is crooked"):
            await inspection.check()
        thing.error = None
        await clock.advance(10)
        await inspection.check()
        assert not tasks.fault.done()
