"""What readiness leaves in the log."""

from structlog.testing import capture_logs

from nexus_core.domain.errors import UnavailableError
from nexus_core.web.probes import Health


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
