"""Writes deploy/observability/dashboards/ anew.

Run it in the root of the repository:

    .venv/bin/python -m tools.dashboards
"""

from pathlib import Path

from tools.dashboards.files import written

FOLDER = Path("deploy/observability/dashboards")

for name, content in written().items():
    (FOLDER / name).write_text(content, encoding="utf-8")
