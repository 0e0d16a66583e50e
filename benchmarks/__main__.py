"""`make bench`: measure everything, print tables."""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.contest import CLIENTS, Contestant, Server, compete
from benchmarks.embedded_sweeps import OURS, measure_sweeps
from benchmarks.fill import fill
from benchmarks.footprint import idle_share, queued_bytes
from benchmarks.steps import steps_in
from benchmarks.sweeps import LATE, OPEN, SweptStore
from benchmarks.workload import completions, run_requests
from nexus_core.domain.stages import Stage
from nexus_core.settings.sections import ServiceSettings

LOAD_CORE = 1

_QUEUED = 10_000

# More than a receiver takes in all its turns together.
_COMPLETIONS_A_SECOND = 12_000


# They are short, and wait for the disk: one by one they differ widely.
_SWEEPS_A_ROUND = 5


class Row(NamedTuple):
    """A figure, and what the project wants it to be."""

    what: str
    figure: str
    share: str
    wanted: str
    met: bool | None = None


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="of load a turn (default 3)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="in the large table")
    parser.add_argument("--idle", type=float, default=20, help="seconds to watch a standalone idle")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as scratch:
        folder = Path(scratch)
        contestants = _contestants(folder, options.rows, options.rounds, options.seconds)
        # First: the contest leaves runs behind that nobody has started.
        sweeps = _sweeps(folder, options.rows, options.rounds)
        compete(contestants, options.rounds, options.seconds)
        rows = [*_speed(contestants), *sweeps, *_footprint(folder, options.idle)]
        print(
            f"\n{CLIENTS} clients, bodies of 1 KiB, servers on one core, the load on another;\n"
            f"medians of {options.rounds} rounds of {options.seconds:g} s each\n"
        )
        _print(rows)
        _print_steps(folder, contestants[0])


def _contestants(folder: Path, rows: int, rounds: int, seconds: float) -> list[Contestant]:
    small, large, receiving = (_store(folder / name) for name in ("small", "large", "receiving"))
    fill(small, 1_000, Stage.COMPLETED)
    fill(large, rows, Stage.COMPLETED)
    expected = int(_COMPLETIONS_A_SECOND * seconds * (rounds + 1))
    running = fill(receiving, expected, Stage.RUNNING)
    return [
        Contestant("bare handler", "baseline", folder, run_requests()),
        Contestant("accept, instant stores", "accept-instant", folder / "instant", run_requests()),
        Contestant(
            "accept, SQLite and folder, 1,000 rows", "accept-embedded", small.parent, run_requests()
        ),
        Contestant(
            f"accept, SQLite and folder, {rows:,} rows",
            "accept-embedded",
            large.parent,
            run_requests(),
        ),
        Contestant("complete, SQLite", "complete-embedded", receiving.parent, completions(running)),
    ]


def _store(folder: Path) -> Path:
    """Return the file of an empty store, made by the server that will use it."""
    with Server("accept-embedded", folder):
        pass
    return _file(folder)


def _file(folder: Path) -> Path:
    return ServiceSettings(data_path=str(folder)).store_file


def _speed(contestants: Sequence[Contestant]) -> list[Row]:
    bare, instant, small, large, complete = contestants
    rows = [_row(bare, bare, None), _row(instant, bare, 0.4), _row(small, bare, 0.2)]
    rows += [_row(large, bare, 0.2), _row(complete, bare, 0.25)]
    share = large.share_of(small)
    # Rounds of one and the same server differ by about a tenth on a quiet machine.
    rows.append(Row("… many rows against few", "", f"{share:.2f}", "≥ 0.90", share >= 0.9))
    return rows


def _row(contestant: Contestant, bare: Contestant, wanted: float | None) -> Row:
    share = contestant.share_of(bare)
    return Row(
        contestant.name,
        f"{contestant.rate:>6,.0f}/s {contestant.cpu:>4.0f} µs CPU",
        f"{share:.2f}",
        f"≥ {wanted:.2f}" if wanted else "",
        share >= wanted if wanted else None,
    )


def _sweeps(folder: Path, rows: int, rounds: int) -> list[Row]:
    files = {
        f"{count:,}": _file(folder / name) for name, count in (("small", 1_000), ("large", rows))
    }
    (few, many), removal = measure_sweeps(files, rounds)
    what = f"sweep of {OPEN:,} open runs, {LATE} late, SQLite"
    share = many.share_of(few)
    return [
        Row(f"{what}, {few.name} finished", _of_sweep(few), "", ""),
        Row(f"{what}, {many.name} finished", _of_sweep(many), "", ""),
        Row("… many finished against few", "", f"{share:.2f}", "≥ 0.90", share >= 0.9),
        Row(
            f"round of removal, nothing due, {many.name} finished",
            f"{removal.idle_milliseconds:.1f} ms, {removal.idle_queries} queries",
            "",
            "",
        ),
        Row(
            "records removed",
            f"{removal.rate:>6,.0f}/s {removal.cpu[OURS]:>4.0f} µs CPU",
            "",
            "",
        ),
        Row(
            "p99 of an accept: alone, beside removal",
            f"{removal.accept_alone:.1f}, {removal.accept_beside:.1f} ms",
            "",
            "",
        ),
    ]


def _of_sweep(store: SweptStore) -> str:
    return (
        f"{store.milliseconds:.0f} ms, {store.cpu_milliseconds(OURS):.0f} ms CPU, "
        f"{store.asked:.0f} queries"
    )


def _footprint(folder: Path, idle_seconds: float) -> list[Row]:
    queued = queued_bytes(_QUEUED, folder / "instant") / 1e6
    idle = idle_share(folder / "idle", idle_seconds) * 100
    return [
        Row(f"{_QUEUED:,} queued runs of 1 KiB", f"{queued:.0f} MB", "", "< 60 MB", queued < 60),
        Row("standalone, idle", f"{idle:.2f} % of a core", "", "< 1 %", idle < 1),
    ]


def _print(rows: Sequence[Row]) -> None:
    heads = Row("", "median", "share", "wanted", None)
    width = max(len(row.what) for row in rows)
    for row in [heads, *rows]:
        verdict = {None: "", True: "met", False: "MISSED"}[row.met]
        print(f"{row.what:<{width}}  {row.figure:>30}  {row.share:>5}  {row.wanted:>7}  {verdict}")


def _print_steps(folder: Path, bare: Contestant) -> None:
    steps = steps_in(folder / "steps")
    total = sum(step.cpu for step in steps) + 2 * bare.cpu
    print("\nCPU time of a run on embedded parts, its algorithm's own apart\n")
    print(f"{2 * bare.cpu:>7.0f} µs  HTTP of request and completion (twice the bare handler)")
    for step in steps:
        print(f"{step.cpu:>7.0f} µs  {step.name}")
    print(f"{total:>7.0f} µs  together")


if __name__ == "__main__":
    main()
