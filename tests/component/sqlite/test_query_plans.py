"""No statement goes through a table: each finds what it looks for in an index."""

import sqlite3
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from nexus_core.adapters.sqlite import schema, statements
from nexus_core.domain.stages import OPEN_STAGES, Stage

LISTS = {
    f"{write.__name__} of {len(stages)} stages, of_algorithm={of_algorithm}": write(
        frozenset(stages), of_algorithm=of_algorithm
    )
    for write, stages, of_algorithm in product(
        (statements.list_runs, statements.list_tagged_runs),
        ((Stage.COMPLETED,), (Stage.NEW, Stage.FAILED), tuple(Stage)),
        (False, True),
    )
}
CONSTANTS = {
    name: text
    for name, text in vars(statements).items()
    if isinstance(text, str)
    and name.isupper()
    and text.strip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))
}
ADVANCES = {f"ADVANCE to {stage}": text for stage, text in statements.ADVANCE.items()}
REMOVALS = {f"REMOVE_RECORD, {n}": text for n, text in enumerate(statements.REMOVE_RECORD)}
QUERIES = CONSTANTS | ADVANCES | LISTS | REMOVALS


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("plans") / "nexus.db"
    opened = sqlite3.connect(path, isolation_level=None)
    schema.bring_up_to_date(opened, path)
    yield opened
    opened.close()


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    if ":limit" in statement:
        names = ("algorithm", "tag", "since", "until", "before", "limit")
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", dict.fromkeys(names, 1))
    else:
        count = 2 if "?2" in statement else statement.count("?")
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (1,) * count)
    return [detail for _, _, _, detail in rows]


def scans_a_table(step: str) -> bool:
    # `(subquery-1)` is the page of one stage, already cut to its limit.
    return step.startswith("SCAN") and "(subquery-" not in step


@pytest.mark.parametrize("name", QUERIES)
def test_a_statement_scans_no_table(connection: sqlite3.Connection, name: str) -> None:
    assert not [step for step in plan(connection, QUERIES[name]) if scans_a_table(step)]


@pytest.mark.parametrize("name", QUERIES)
def test_a_statement_sorts_nothing_but_pages(connection: sqlite3.Connection, name: str) -> None:
    steps = plan(connection, QUERIES[name])

    # The page of each stage is sorted again to merge it; a page itself comes sorted.
    pages = sum("(subquery-" in step and step.startswith("SCAN") for step in steps)
    assert sum("TEMP B-TREE" in step for step in steps) <= pages


def test_a_scan_would_be_noticed(connection: sqlite3.Connection) -> None:
    (step,) = plan(connection, "SELECT * FROM checkpoints WHERE cluster = ?")

    assert scans_a_table(step)


def test_every_kind_of_statement_is_looked_at() -> None:
    assert len(CONSTANTS) >= 17


def test_what_the_schema_calls_open_is_what_the_stage_table_does() -> None:
    # The schema can't ask the stage table, so this does.
    script = (Path(schema.__file__).parent / "steps" / "0001_initial.sql").read_text()
    listed = ", ".join(f"'{stage}'" for stage in Stage if stage in OPEN_STAGES)
    assert f"lifecycle_stage IN ({listed})" in script
    assert f"lifecycle_stage IN ({listed})" in statements.FIND_OPEN
