"""Writes deploy/crds/ anew.

Run it in the root of the repository:

    .venv/bin/python -m tools.crds
"""

from pathlib import Path

from tools.crds.files import written

FOLDER = Path("deploy/crds")

for name, content in written().items():
    (FOLDER / name).write_text(content, encoding="utf-8")
