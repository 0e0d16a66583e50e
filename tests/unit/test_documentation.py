"""What the documentation says exists, and what exists is in the documentation."""

import ast
import inspect
import re
from collections import defaultdict
from pathlib import Path

import pytest

from nexus_core.domain import endings, stuck, verdicts

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
LIFECYCLE = DOCS / "request-lifecycle.md"
BAD_DAYS = DOCS / "operations/bad-days.md"
PAGES = sorted(
    path
    for path in REPOSITORY.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
)
SOURCES = [*REPOSITORY.glob("libs/*/src/**/*.py"), *REPOSITORY.glob("services/*/src/**/*.py")]

_METRIC = re.compile(
    r"\bnexus_(?:part|clock|callback|http|scheduler|receiver|supervisor)_[a-z][a-z_]+"
)
_TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)(?:::(?P<name>\w+))?`")

# What a histogram is scraped as; a page may show a query.
_SERIES = ("_bucket", "_count", "_sum")


def metrics_in_code() -> set[str]:
    """Return the names under which metrics are scraped, wherever they are declared."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id="Counter" | "Gauge" | "Histogram" | "Summary" as kind),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    found.add(f"{name}_total" if kind == "Counter" else name)
    return found


def metrics_in_docs() -> set[str]:
    named = {name for page in PAGES for name in _METRIC.findall(page.read_text("utf-8"))}
    histograms = {name for name in named if not name.endswith(_SERIES)}
    series = {f"{name}{end}" for name in histograms for end in _SERIES}
    return named - series


def test_every_metric_is_described_and_every_described_one_exists() -> None:
    assert metrics_in_docs() == metrics_in_code()
    assert len(metrics_in_code()) > 10


@pytest.mark.parametrize(("page", "at_least"), [(LIFECYCLE, 50), (BAD_DAYS, 15)])
def test_every_test_that_a_page_names_exists(page: Path, at_least: int) -> None:
    named = [(named["file"], named["name"]) for named in _TEST.finditer(page.read_text())]
    assert len(named) > at_least
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (REPOSITORY / file).is_file()
        or (
            name
            and not re.search(
                rf"^(async )?def {name}\(", (REPOSITORY / file).read_text(), re.MULTILINE
            )
        )
    ]
    assert missing == []


def test_what_pods_are_told_to_say_on_bad_days_is_what_the_code_says() -> None:
    code = " ".join(
        text
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(text := node.value, str)
    )
    sayings = [
        piece.strip()
        for row in BAD_DAYS.read_text("utf-8").splitlines()
        if row.startswith("| ")
        for saying in re.findall(r"(?:: |; |, )`([^`]+)`", row.split(" | ")[1])
        for piece in re.split("…|'", saying)
    ]
    assert len(sayings) > 40
    assert [piece for piece in sayings if piece not in code] == []


def test_every_sentence_that_a_verdict_may_say_is_explained() -> None:
    page = (DOCS / "reference/stages-and-reasons.md").read_text("utf-8")
    sources = [ast.parse(inspect.getsource(module)) for module in (verdicts, endings, stuck)]
    nodes = [node for source in sources for node in ast.walk(source)]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    sentences = [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and str(node.value).startswith(("The ", "No "))
        and id(node) not in docstrings
    ]
    assert len(sentences) > 12
    assert [sentence for sentence in sentences if str(sentence) not in page] == []


def test_the_readme_names_the_commands_that_must_pass() -> None:
    run = (REPOSITORY / ".ci/run").read_text("utf-8")
    commands = re.findall(r"^ *(make (?!testbed).+)", run, re.MULTILINE)
    assert len(commands) > 3
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    assert [
        command for command in commands if not re.search(f"^{command}( +#|$)", readme, re.MULTILINE)
    ] == []


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = {
        (page.name, target)
        for page in PAGES
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert len(named) > 20
    assert [name for name in named if name[1] not in targets] == []


def events_in_code() -> dict[str, set[str]]:
    """Return the events of the log, each with the levels at which it is written in place."""
    found: dict[str, set[str]] = defaultdict(set)
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="info" | "warning" | "error" | "exception" as level),
                    args=[ast.Constant(value=str(event)), *_],
                ):
                    found[event].add(level)
    return found


def events_in_docs() -> set[str]:
    page = (DOCS / "how-to/watch-nexus.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.+?`) \| (?:debug|info|warning|error)\b", page, re.MULTILINE)
    return {event for row in rows for event in re.findall(r"`([^`]+)`", row)}


def test_every_event_that_warns_is_told_and_every_told_one_is_written() -> None:
    warning = {event for event, levels in events_in_code().items() if levels - {"info"}}
    told = events_in_docs()
    assert len(warning) > 30
    assert warning - told == set()
    code = "".join(source.read_text("utf-8") for source in SOURCES)
    assert [event for event in told if f'"{event}"' not in code] == []


def test_every_file_that_the_architecture_names_is_there() -> None:
    page = (DOCS / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`([\w/]+\.py|(?:\w+/)+)`", page))
    assert len(named) > 40
    paths = [
        f"/{path.relative_to(REPOSITORY)}{'/' if path.is_dir() else ''}"
        for folder in ("deploy", "libs", "services", "tools")
        for path in (REPOSITORY / folder).rglob("*")
    ]
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in paths)] == []


def test_every_variable_that_a_page_names_exists() -> None:
    lists = (DOCS / "reference/settings.md", DOCS / "reference/template.md")
    known = {name for page in lists for name in re.findall(r"`(NEXUS__\w+)`", page.read_text())}
    named = {
        name for page in PAGES for name in re.findall(r"\bNEXUS__\w+", page.read_text("utf-8"))
    }
    assert len(named) > 50
    assert named - known == {"NEXUS__DATAPATH"}, "but for the mistake that a page shows"


def test_every_page_that_the_code_names_exists() -> None:
    """A message or a comment leads whoever reads it there."""
    texts = {
        str(path): path.read_text("utf-8")
        for folder in ("deploy", "examples", "libs", "services", "tools")
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file() and path.suffix in {"", ".py", ".tpl", ".txt", ".yaml"}
        if not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
    }
    named = {
        (path, page)
        for path, text in texts.items()
        for page in re.findall(r"(?<![\w/.-])docs/[\w/.-]+\.md\b", text)
    }
    assert len(named) > 10
    assert [name for name in named if not (REPOSITORY / name[1]).is_file()] == []
