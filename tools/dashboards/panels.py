"""What dashboards are made of, and how Grafana wants it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

# Grafana's grid.
_WIDTH = 24

# Of the model that Grafana 11 writes; later ones bring it up to date when they load it.
_SCHEMA = 39

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

_SECONDS_OF_SCRAPES = "30s"


@dataclass(frozen=True)
class Query:
    """One PromQL expression, and how its series are called."""

    expression: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture: a graph over time, unless it is a single number."""

    title: str
    says: str
    """What it shows, and what to make of it."""
    queries: Sequence[Query]
    unit: str = "short"
    """As Grafana calls it: `reqps`, `s`, `percentunit`, `bytes`."""
    is_number: bool = False
    bad_from: float | None = None
    """A number from here on is red."""
    is_stacked: bool = False
    width: int = 8
    height: int = 7


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What a person picks at the top: values of a label."""

    name: str
    label: str
    query: str
    """`label_values(<series>, <label>)`."""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A page of panels."""

    uid: str
    title: str
    says: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = field(default=())

    def text(self) -> str:
        """Return it as Grafana reads it."""
        return json.dumps(self._model(), indent=2, ensure_ascii=False) + "\n"

    def _model(self) -> dict[str, Any]:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.says,
            "tags": ["nexus"],
            "editable": True,
            "graphTooltip": 1,
            "schemaVersion": _SCHEMA,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "utc",
            "links": [
                {
                    "type": "dashboards",
                    "title": "Nexus",
                    "tags": ["nexus"],
                    "asDropdown": True,
                    "includeVars": True,
                    "keepTime": True,
                }
            ],
            "templating": {"list": [_datasource(), *map(_variable, self.variables)]},
            "panels": list(_laid_out(self.rows)),
        }


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
    }


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": variable.query, "refId": "values"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
        "hide": 0,
    }


def _laid_out(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Go through all panels, each in its place: from left to right, and on in the next line."""
    number, top = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": _WIDTH, "h": 1},
            "panels": [],
        }
        number, top, left, tallest = number + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > _WIDTH:
                top, left, tallest = top + tallest, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield {"id": number, **_panel(panel), "gridPos": place}
            number, left, tallest = number + 1, left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": "stat" if panel.is_number else "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
                "range": not panel.is_number,
                "instant": panel.is_number,
                "interval": _SECONDS_OF_SCRAPES,
            }
            for number, query in enumerate(panel.queries)
        ],
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad_from is not None:
        steps.append({"color": "red", "value": panel.bad_from})
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if not panel.is_number:
        stacking = {"mode": "normal" if panel.is_stacked else "none", "group": "A"}
        filling = 30 if panel.is_stacked else 0
        defaults["min"] = 0
        defaults["custom"] = {"fillOpacity": filling, "stacking": stacking, "spanNulls": False}
    return defaults


def _options(panel: Panel) -> dict[str, Any]:
    if panel.is_number:
        return {
            "colorMode": "value",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
