"""What is done to a part on its way to a service, and what is written of it."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chaos.control import Control, Mode, State, Trouble
from chaos.history import Changed, Ending, Recorder, read
from chaos.meddler import JumpingClock, Meddler
from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.ports.checkpoint_store import CheckpointStore
from support.runs import a_checkpoint

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILED = StageChange(to=Stage.FAILED, at=NOW, cause="It broke.")


@dataclass
class Bench:
    """A store behind a meddler."""

    folder: Path
    control: Control
    store: CheckpointStore
    plain: CheckpointStore

    def befalls(self, part: str, mode: Mode) -> None:
        self.control.set(State(troubles={part: Trouble(mode=mode, share=1.0)}))
        self.control.forget()

    def written(self) -> list[Changed]:
        return [line for line in read(self.folder / "history") if isinstance(line, Changed)]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "history/service.jsonl")
    yield recorder
    recorder.close()


@pytest.fixture
async def bench(tmp_path: Path, recorder: Recorder) -> AsyncIterator[Bench]:
    control = Control(tmp_path / "control.json")
    meddler = Meddler("scheduler-1", control, recorder, random.Random(7))  # noqa: S311 - no secret
    async with SqliteDatabase.open(tmp_path / "store.sqlite") as database:
        plain = SqliteCheckpointStore(database, SystemClock())
        yield Bench(tmp_path, control, meddler.store(plain), plain)


async def test_what_is_applied_is_written_down_and_nothing_else(bench: Bench) -> None:
    run = a_checkpoint()
    await bench.store.accept(run, None)
    await bench.store.advance(run.key, FAILED)
    await bench.store.advance(run.key, FAILED)
    assert [line.ending for line in bench.written()] == [
        Ending(stage="BUFFERED"),
        Ending(stage="FAILED", cause="It broke."),
    ]


async def test_a_store_that_refuses_has_done_nothing(bench: Bench) -> None:
    run = a_checkpoint()
    bench.befalls("store", Mode.REFUSES)
    with pytest.raises(UnavailableError):
        await bench.store.accept(run, None)
    assert await bench.plain.find(run.key) is None


async def test_a_store_whose_answer_gets_lost_has_done_it_and_it_is_written(bench: Bench) -> None:
    run = a_checkpoint()
    bench.befalls("store", Mode.LATE)
    with pytest.raises(UnavailableError):
        await bench.store.accept(run, None)
    assert await bench.plain.find(run.key) is not None
    assert len(bench.written()) == 1


async def test_an_accept_that_is_repeated_is_written_once(bench: Bench) -> None:
    bench.befalls("store", Mode.DOUBLES)
    await bench.store.accept(a_checkpoint(), None)
    assert len(bench.written()) == 1


async def test_a_trouble_of_another_part_is_none_of_the_stores(bench: Bench) -> None:
    bench.befalls("cluster", Mode.REFUSES)
    await bench.store.ping()


def test_a_clock_jumps_and_comes_back(tmp_path: Path) -> None:
    control = Control(tmp_path / "control.json")
    clock = JumpingClock(control)
    control.set(State(clock_offset=3600.0))
    control.forget()
    assert clock.now() - datetime.now(UTC) > timedelta(minutes=59)
    control.set(State())
    control.forget()
    assert clock.now() - datetime.now(UTC) < timedelta(minutes=1)
