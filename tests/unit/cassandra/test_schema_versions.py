"""How what is applied compares with what a release knows."""

import pytest

from nexus_core.adapters.cassandra.schema.keyspace import replication_of
from nexus_core.adapters.cassandra.schema.steps import Phase, Step, read_steps
from nexus_core.adapters.cassandra.schema.tables import differences, wanted_columns
from nexus_core.adapters.cassandra.schema.versions import (
    Standing,
    State,
    only_lacks_steps,
    problems,
    standings,
)
from nexus_core.domain.errors import InvalidInputError

PRE = Step("0001_a/pre", Phase.PRE, ("CREATE TABLE IF NOT EXISTS a (b text PRIMARY KEY)",))
POST = Step("0001_a/post", Phase.POST, ("DROP TABLE IF EXISTS c",))
BOTH = {PRE.name: PRE.checksum, POST.name: POST.checksum}


def test_all_applied_is_no_problem() -> None:
    found = standings([PRE, POST], BOTH)
    assert [one.state for one in found] == [State.APPLIED, State.APPLIED]
    assert problems(found) == []


def test_a_missing_addition_is_a_problem_and_a_missing_removal_is_not() -> None:
    found = standings([PRE, POST], {})
    assert [one.state for one in found] == [State.MISSING, State.MISSING]
    assert problems(found) == ["step 0001_a/pre is missing"]


def test_a_changed_step_is_a_problem_in_either_phase() -> None:
    found = standings([PRE, POST], dict.fromkeys(BOTH, "another"))
    assert len(problems(found)) == 2


@pytest.mark.parametrize(("newer", "fit"), [("0002_b/pre.indexed", True), ("0002_b/post", False)])
def test_a_newer_release_may_have_added_but_not_removed(newer: str, *, fit: bool) -> None:
    found = standings([PRE, POST], BOTH | {newer: "x"})
    assert Standing(newer, State.NEWER) in found
    assert (problems(found) == []) == fit


def test_the_other_variant_of_a_known_step_is_passed_over() -> None:
    found = standings([PRE], {PRE.name: PRE.checksum, "0001_a/pre.indexed": "x"})
    assert [one.step for one in found] == [PRE.name]


def test_columns_are_read_from_the_statements() -> None:
    step = Step(
        "0001_a/pre",
        Phase.PRE,
        (
            """CREATE TABLE IF NOT EXISTS a (
                b text, c timestamp, d list<text>,
                PRIMARY KEY ((b), c)
            ) WITH CLUSTERING ORDER BY (c DESC)""",
            "CREATE TABLE IF NOT EXISTS e (f text PRIMARY KEY, g int)",
            "CREATE INDEX IF NOT EXISTS h ON a (d)",
        ),
    )
    wanted = wanted_columns([step])
    assert wanted["a"] == {"b": "text", "c": "timestamp", "d": "list<text>"}
    assert wanted["e"]["f"] == "text"


def test_every_table_of_the_schema_has_columns_to_look_for() -> None:
    wanted = wanted_columns(read_steps(indexed=False))
    assert {"checkpoints", "submission_buffer", "checkpoints_by_tag"} <= set(wanted)
    assert all(len(columns) > 1 for columns in wanted.values())
    assert wanted["checkpoints"]["received_at"] == "timestamp"


def test_differences_are_named() -> None:
    wanted = {"a": {"b": "text", "c": "int"}, "d": {"e": "text"}}
    there = {"a": {"b": "blob", "more": "text"}}
    assert differences(wanted, there) == [
        "column b of table a is blob and not text",
        "table a lacks column c int",
        "table d is missing",
    ]
    assert differences({"a": {"b": "text"}}, {"a": {"b": "text", "more": "text"}}) == []


@pytest.mark.parametrize(
    ("text", "cql"),
    [
        ("3", "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}"),
        ("dc1=3,dc-2=2", "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc-2': 2}"),
        ("single-region", "{'class': 'SingleRegionStrategy'}"),
    ],
)
def test_replication_is_written_in_cql(text: str, cql: str) -> None:
    assert replication_of(text) == cql


@pytest.mark.parametrize("text", ["", "0", "x", "dc1=0", "dc1=3;", "dc1='3'", "-1"])
def test_no_other_replication_is_put_into_cql(text: str) -> None:
    with pytest.raises(InvalidInputError, match="replication must be"):
        replication_of(text)


def test_applying_the_steps_is_advised_only_where_it_helps() -> None:
    assert only_lacks_steps(standings([PRE, POST], {}))
    assert only_lacks_steps(standings([PRE, POST], {PRE.name: PRE.checksum}))
    assert not only_lacks_steps(standings([PRE, POST], {PRE.name: "another"}))
    assert not only_lacks_steps(standings([PRE, POST], BOTH | {"0009_b/post": "x"}))
