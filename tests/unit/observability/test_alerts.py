"""The alerts under deploy/observability: what they ask is exported, and each leads to its page."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.exported import exported
from support.pages import anchors
from support.promql import labels_of

REPOSITORY = Path(__file__).parents[3]
GROUPS = yaml.safe_load((REPOSITORY / "deploy/observability/alerts.yaml").read_text("utf-8"))
RULES = [rule for group in GROUPS["groups"] for rule in group["rules"]]
RUNBOOKS = REPOSITORY / "docs/operations/alerts.md"
BASE = "https://nexus.example.com/docs/operations/alerts.md#"

_LABEL = re.compile(r"\$labels\.(\w+)")

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))


def text_of(rule: dict[str, Any]) -> str:
    """Return what people are told by an alert."""
    return f"{rule['annotations']['summary']} {rule['annotations']['description']}"


def test_groups_and_alerts_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names) > 15
    groups = [group["name"] for group in GROUPS["groups"]]
    assert len(set(groups)) == len(groups)


@each_rule
def test_what_it_asks_is_exported(rule: dict[str, Any]) -> None:
    assert labels_of(rule["expr"], exported()) is not None


@each_rule
def test_it_names_only_labels_that_it_has(rule: dict[str, Any]) -> None:
    assert set(_LABEL.findall(text_of(rule))) <= labels_of(rule["expr"], exported())


@each_rule
def test_it_says_what_is_so_with_values_and_how_grave(rule: dict[str, Any]) -> None:
    assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert "$value" in rule["annotations"]["description"] or rule["expr"].startswith(
        ("absent(", "min by (job, instance, part)")
    )


@each_rule
def test_it_leads_to_a_section_that_is_there(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook_url"] == BASE + rule["alert"].lower()
    assert rule["alert"].lower() in anchors(RUNBOOKS)


def test_every_alert_has_a_scenario_in_which_it_fires() -> None:
    scenarios = REPOSITORY / "tests/integration/observability/alerts.test.yaml"
    fires = set()
    for test in yaml.safe_load(scenarios.read_text("utf-8"))["tests"]:
        for asked in test["promql_expr_test"]:
            for sample in asked["exp_samples"]:
                fires |= set(re.findall(r'alertname="(\w+)"', sample["labels"]))
    assert fires == {rule["alert"] for rule in RULES}


def test_every_section_is_of_an_alert_and_says_all_that_is_wanted() -> None:
    sections = RUNBOOKS.read_text("utf-8").split("\n## ")[1:]
    told = {title: body for title, _, body in (section.partition("\n") for section in sections)}
    assert told.keys() == {rule["alert"] for rule in RULES}
    wanted = ("**Means.**", "**Users notice.**", "**Look.**", "**Mend.**", "**Worry.**")
    assert {
        title: missing
        for title, body in told.items()
        if (missing := [part for part in wanted if part not in body])
    } == {}
