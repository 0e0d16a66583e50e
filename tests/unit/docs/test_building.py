"""The documentation as a site: whatever a reader would stumble over ends the build."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

MAP = "# Documentation\n\n## Start\n\n- [Nexus](../README.md): the first run.\n- [Page](page.md)\n"
README = "# Nexus\n\nSee [the page](docs/page.md#a-title-twice) and [settings](deploy/a.yaml).\n"
PAGE = "# Page\n\n## A title, `twice`\n\n[Back](../README.md#nexus), `NEXUS__LOG_LEVEL`\n"

MISTAKES = {
    "[a](gone.md)": "target not found: 'gone.md'",
    "[b](page.md#nowhere)": "local id not found in doc 'docs/page': 'nowhere'",
    "[c](#nowhere-here)": "target not found: 'nowhere-here'",
    "[d](../deploy/gone.yaml)": "target not found: '../deploy/gone.yaml'",
    "[e](../deploy)": "target not found: '../deploy'",
    "[f](http://)": "no address of the web: http://",
    "![g](gone.png)": "image file not readable: docs/gone.png",
}


def repository(root: Path, page: str = PAGE) -> Path:
    """Lay out a repository of three pages."""
    files = {
        "README.md": README,
        "docs/README.md": MAP,
        "docs/page.md": page,
        "deploy/a.yaml": "a: 1\n",
        "dist/left-over.md": "[built](gone.md)",
        ".venv/package.md": "[installed](gone.md)",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build as `make docs` does."""
    command = [sys.executable, "-m", "tools.docs", str(source), str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "site"
    outcome = build(repository(tmp_path_factory.mktemp("repository")), out)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    return out


def test_links_lead_to_pages_and_to_copies_of_files(site: Path) -> None:
    page = (site / "README.html").read_text("utf-8")
    assert 'href="docs/page.html#a-title-twice"' in page
    [copied] = re.findall(r'href="(_downloads/[^"]+/a\.yaml)"', page)
    assert (site / copied).read_text() == "a: 1\n"


def test_navigation_is_the_map(site: Path) -> None:
    page = (site / "docs/page.html").read_text("utf-8")
    assert '<span class="caption-text">Start</span>' in page
    assert re.findall(r'toctree-l1.*?href="([^"]+)"', page) == ["../README.html", "#"]


def test_folder_opens_on_the_readme(site: Path) -> None:
    assert "url=README.html" in (site / "index.html").read_text("utf-8")


def test_long_names_may_be_broken_and_are_copied_whole(site: Path) -> None:
    assert "NEXUS__<wbr>LOG_<wbr>LEVEL" in (site / "docs/page.html").read_text("utf-8")


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*(?:src|href)=["']?(?:https?:)?//""")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 3
    assert [page for page in pages if loaded.search(page.read_text("utf-8"))] == []
    styles = [style.read_text("utf-8") for style in site.rglob("*.css")]
    assert styles
    assert not [style for style in styles if re.search(r"@import|url\(['\"]?(https?:)?//", style)]


def test_each_mistake_is_told_and_fails_the_build(tmp_path: Path) -> None:
    page = PAGE + "\n".join(f"\n{mistake}\n" for mistake in MISTAKES)
    root = repository(tmp_path / "repository", page)
    (root / "docs/on-no-list.md").write_text("# A page that the map leaves out\n")

    outcome = build(root, tmp_path / "site")

    assert outcome.returncode != 0
    assert [words for words in MISTAKES.values() if words not in outcome.stderr] == []
    assert "on-no-list.md: WARNING: document isn't included in any toctree" in outcome.stderr
