"""The schema's files: how they are read, and what every one of them must keep to."""

import re
from pathlib import Path

import pytest

from nexus_core.adapters.cassandra.schema.steps import Phase, Step, read_steps, split


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def test_steps_run_in_the_order_of_their_numbers_and_additions_first(tmp_path: Path) -> None:
    _write(
        tmp_path,
        {
            "0002_more/pre.cql": "A;",
            "0001_initial/post.cql": "B;",
            "0001_initial/pre.indexed.cql": "C;",
            "0001_initial/pre.cql": "D;",
            "0001_initial/pre.unindexed.cql": "E;",
            "README.md": "not a step",
        },
    )
    names = [step.name for step in read_steps(indexed=True, folder=tmp_path)]
    assert names == [
        "0001_initial/pre",
        "0001_initial/pre.indexed",
        "0001_initial/post",
        "0002_more/pre",
    ]


def test_a_store_without_indexes_gets_its_own_variant(tmp_path: Path) -> None:
    _write(
        tmp_path,
        {"0001_a/pre.cql": "A;", "0001_a/pre.indexed.cql": "B;", "0001_a/pre.unindexed.cql": "C;"},
    )
    statements = [step.statements for step in read_steps(indexed=False, folder=tmp_path)]
    assert statements == [("A",), ("C",)]


def test_semicolons_in_quotes_and_comments_part_nothing() -> None:
    script = """
    -- a comment; with a semicolon
    CREATE TABLE a (b text) WITH comment = 'it''s; here -- no comment'; -- the end
    CREATE INDEX ON a (b - c);
    """
    assert split(script) == (
        "CREATE TABLE a (b text) WITH comment = 'it''s; here -- no comment'",
        "CREATE INDEX ON a (b - c)",
    )


def test_a_checksum_is_of_the_statements_and_not_of_how_they_are_set() -> None:
    one = Step("0001_a/pre", Phase.PRE, split("CREATE TABLE a\n  (b text); -- why"))
    other = Step("0001_a/pre", Phase.PRE, split("CREATE TABLE a (b text);"))
    changed = Step("0001_a/pre", Phase.PRE, split("CREATE TABLE a (c text);"))
    assert one.checksum == other.checksum
    assert one.checksum != changed.checksum


_SAFE_TO_REPEAT = re.compile(
    r"(CREATE (TABLE|INDEX|CUSTOM INDEX) IF NOT EXISTS|DROP (TABLE|INDEX) IF EXISTS"
    r"|ALTER TABLE (IF EXISTS )?\w+ (ADD IF NOT EXISTS|DROP IF EXISTS|WITH)) ",
    re.IGNORECASE,
)


@pytest.mark.parametrize("indexed", [True, False])
def test_every_statement_of_the_schema_is_safe_to_repeat(indexed: bool) -> None:  # noqa: FBT001
    for step in read_steps(indexed=indexed):
        for statement in step.statements:
            assert _SAFE_TO_REPEAT.match(" ".join(statement.split())), f"{step.name}: {statement}"


def test_the_schema_can_be_seen_in_the_folder_for_deployment() -> None:
    shown = Path(__file__).parents[3] / "deploy" / "cassandra"
    assert (shown / "README.md").is_file()
