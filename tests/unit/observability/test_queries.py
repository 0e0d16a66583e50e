"""The check of queries would notice what is wrong, and what is checked against is all there is."""

import ast
import re
from pathlib import Path

import pytest
from promql_parser import MatchOp

from support.exported import exported
from support.promql import QueryError, labels_of, matchers_of
from support.watching import queries

REPOSITORY = Path(__file__).parents[3]
SOURCES = [*REPOSITORY.glob("libs/*/src/**/*.py"), *REPOSITORY.glob("services/*/src/**/*.py")]
EXPORTED = {
    "runs_total": frozenset({"job", "instance", "cluster"}),
    "wait_bucket": frozenset({"job", "instance", "cluster", "le"}),
    "limit": frozenset({"job", "instance"}),
}


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("runs_total", "job instance cluster"),
        ("sum(rate(runs_total[5m]))", ""),
        ("sum without (job) (runs_total)", "instance cluster"),
        ("histogram_quantile(0.9, sum by (le, cluster) (rate(wait_bucket[5m])))", "cluster"),
        ("sum by (job, instance) (runs_total) / on (job, instance) limit > 1", "job instance"),
        ("runs_total * on (job, instance) group_left limit", "job instance cluster"),
        ("sum by (cluster) (runs_total) > 1 or sum by (job) (limit)", "cluster job"),
        ("absent(limit)", ""),
        ("time() - max(limit)", ""),
        ('limit{job="a"} and on (job) runs_total', "job instance"),
    ],
)
def test_a_sound_query_has_the_labels_of_its_answer(query: str, labels: str) -> None:
    assert labels_of(query, EXPORTED) == set(labels.split())


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("sum(", "no PromQL"),
        ("runs", "no service exports runs"),
        ('runs_total{clutser="a"}', "has no label clutser"),
        ("sum by (part) (runs_total)", "no label part"),
        ("sum by (cluster) (sum by (job) (runs_total))", "no label cluster"),
        ("histogram_quantile(0.9, sum by (cluster) (rate(wait_bucket[5m])))", "no label le"),
        ("sum by (cluster) (runs_total) / on (job) limit", "no label job"),
        ("sum by (cluster) (runs_total) / limit", "never match"),
        ('{job="a"}', "names no series"),
    ],
)
def test_an_unsound_query_is_noticed(query: str, complaint: str) -> None:
    with pytest.raises(QueryError, match=re.escape(complaint)):
        labels_of(query, EXPORTED)


def nodes() -> list[ast.AST]:
    return [node for path in SOURCES for node in ast.walk(ast.parse(path.read_text("utf-8")))]


def test_all_that_services_declare_is_checked_against() -> None:
    declared = {
        str(node.args[0].value)
        for node in nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"Counter", "Gauge", "Histogram", "Summary"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    families = {re.sub("_(total|bucket|count|sum|created)$", "", name) for name in exported()}
    assert declared - families == set()
    assert len(declared) > 30


def test_every_value_that_a_query_wants_is_one_that_services_say() -> None:
    wanted = {
        (matcher.name, matcher.value)
        for query in queries()
        for matcher in matchers_of(query)
        if matcher.op == MatchOp.Equal and matcher.name != "status"
    }
    said = {node.value for node in nodes() if isinstance(node, ast.Constant)}
    assert {value for value in wanted if value[1] not in said} == set()
    assert ("outcome", "given_up") in wanted
