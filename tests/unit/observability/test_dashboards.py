"""The dashboards under deploy/observability: Grafana can show them, and what they ask is there."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from support.exported import exported
from support.promql import labels_of, series_of
from tools.dashboards.files import written

REPOSITORY = Path(__file__).parents[3]
FOLDER = REPOSITORY / "deploy/observability/dashboards"
DASHBOARDS = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.iterdir()}
ALERTS = (REPOSITORY / "deploy/observability/alerts.yaml").read_text("utf-8")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

_VARIABLE = re.compile(r"\$(?!__)(\w+)")
_VALUES = re.compile(r"label_values\((?P<series>\w+), (?P<label>\w+)\)")
_ALERT = re.compile(r"\bNexus[A-Z]\w+")
_LEGEND = re.compile(r"{{(\w+)}}")

# Without them the options of a kind of panel are taken as they come.
register_default_plugins()

each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]


def targets(name: str) -> Iterator[dict[str, Any]]:
    return (target for panel in panels(name) for target in panel["targets"])


def as_promql(expression: str) -> str:
    """Return a query as Grafana would send it."""
    return _VARIABLE.sub("some", expression.replace("$__rate_interval", "2m"))


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def missing(wanted: Any, there: Any, path: str = "dashboard") -> Iterator[str]:
    """Tell what of one JSON value is not in another, which may have more fields."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        for name, value in wanted.items():
            yield from missing(value, there.get(name), f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        for number, pair in enumerate(zip(wanted, there, strict=True)):
            yield from missing(*pair, f"{path}[{number}]")
    elif wanted != there:
        yield path


def test_the_files_are_what_their_descriptions_say() -> None:
    assert {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()} == written(), (
        "write them anew: .venv/bin/python -m tools.dashboards"
    )


@each_dashboard
def test_grafana_knows_every_field_and_what_belongs_into_it(name: str) -> None:
    read = Dashboard.from_json(DASHBOARDS[name])
    # What Grafana's own model of a dashboard has no place for is not there any more.
    understood = json.loads(JSONEncoder().encode(read))
    assert list(missing(DASHBOARDS[name], understood)) == []


def test_each_has_a_name_of_its_own() -> None:
    assert {dashboard["uid"] for dashboard in DASHBOARDS.values()} == {
        "nexus-overview",
        "nexus-run-path",
        "nexus-clusters",
        "nexus-stores",
    }
    assert len({dashboard["title"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)


@each_dashboard
def test_what_it_asks_is_exported_and_its_legends_name_labels_of_the_answer(name: str) -> None:
    for target in targets(name):
        labels = labels_of(as_promql(target["expr"]), exported())
        assert set(_LEGEND.findall(target["legendFormat"])) <= labels, target["expr"]


@each_dashboard
def test_series_of_one_panel_are_told_apart(name: str) -> None:
    for panel in panels(name):
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert all(legends)
        assert len(set(legends)) == len(legends)
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEF")[: len(legends)]


@each_dashboard
def test_panels_have_numbers_of_their_own_and_places_that_do_not_overlap(name: str) -> None:
    everything = DASHBOARDS[name]["panels"]
    numbers = [panel["id"] for panel in everything]
    assert len(set(numbers)) == len(numbers)
    places = [panel["gridPos"] for panel in everything]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


@each_dashboard
def test_panels_say_what_they_show_in_which_unit_and_from_where(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == SOURCE
        assert all(target["datasource"] == SOURCE for target in panel["targets"])
    titles = [panel["title"] for panel in panels(name)]
    assert len(set(titles)) == len(titles)


@each_dashboard
def test_what_can_be_picked_is_exported_and_all_that_is_used_can_be_picked(name: str) -> None:
    datasource, *variables = DASHBOARDS[name]["templating"]["list"]
    assert (datasource["name"], datasource["type"]) == ("datasource", "datasource")
    for variable in variables:
        asked = _VALUES.fullmatch(variable["query"]["query"])
        assert asked
        assert asked["label"] in exported()[asked["series"]]
        assert variable["datasource"] == SOURCE
    used = {name for target in targets(name) for name in _VARIABLE.findall(target["expr"])}
    assert used == {variable["name"] for variable in variables}


@each_dashboard
def test_alerts_that_it_names_are_there(name: str) -> None:
    alerts = {
        rule["alert"] for group in yaml.safe_load(ALERTS)["groups"] for rule in group["rules"]
    }
    named = {found for panel in panels(name) for found in _ALERT.findall(panel["description"])}
    assert named <= alerts


def test_every_metric_of_ours_is_shown_somewhere() -> None:
    shown = {
        series
        for name in DASHBOARDS
        for target in targets(name)
        for series in series_of(as_promql(target["expr"]))
    }
    families = {re.sub("_(bucket|count|sum)$", "", series) for series in shown}
    wanted = {
        re.sub("_(bucket|count|sum)$", "", series)
        for series in exported()
        if series.startswith("nexus_") and not series.endswith("_created")
    }
    assert wanted - families == set()
