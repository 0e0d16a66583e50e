"""The dashboards, as the files that Grafana is given."""

from collections.abc import Mapping

from tools.dashboards.clusters import CLUSTERS
from tools.dashboards.overview import OVERVIEW
from tools.dashboards.run_path import RUN_PATH
from tools.dashboards.stores import STORES

DASHBOARDS = (OVERVIEW, RUN_PATH, CLUSTERS, STORES)


def written() -> Mapping[str, str]:
    """Return the content of each file by its name."""
    return {
        f"{dashboard.uid.removeprefix('nexus-')}.json": dashboard.text() for dashboard in DASHBOARDS
    }
