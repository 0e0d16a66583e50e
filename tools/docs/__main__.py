"""Builds the site into dist/docs, or fails with each warning.

.venv/bin/python -m tools.docs [<root of the repository> [<folder to build into>]]
"""

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main


def build(source: Path, out: Path) -> int:
    """Build the site anew; return the exit code.

    All of it each time: a page that did not change may link to one that did, and Sphinx looks at
    the links of changed pages alone.
    """
    shutil.rmtree(out, ignore_errors=True)
    options = ["--quiet", "--nitpicky", "--fail-on-warning", "--keep-going", "--fresh-env"]
    doctrees = ["--doctree-dir", str(out.with_name(f".{out.name}"))]
    config = ["--conf-dir", str(Path(__file__).parent)]
    outcome = build_main([*options, *doctrees, *config, str(source), str(out)])
    if not outcome:
        print(f"docs: clean, and to be read at {out / 'index.html'}")
    return outcome


if __name__ == "__main__":
    source, out = [*sys.argv[1:], ".", "dist/docs"][:2]
    sys.exit(build(Path(source), Path(out)))
