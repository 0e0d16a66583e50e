"""All that alerts and dashboards ask."""

from pathlib import Path

import yaml

from tools.dashboards.files import DASHBOARDS

ALERTS = Path(__file__).parents[2] / "deploy/observability/alerts.yaml"


def queries() -> list[str]:
    """Return every expression, as Prometheus is asked."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    of_alerts = [str(rule["expr"]) for group in groups for rule in group["rules"]]
    of_dashboards = [
        query.expression.replace("$__rate_interval", "2m")
        for dashboard in DASHBOARDS
        for row in dashboard.rows
        for panel in row.panels
        for query in panel.queries
    ]
    return of_alerts + of_dashboards
