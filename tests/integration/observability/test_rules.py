"""Alerts fire when they should, as Prometheus itself evaluates them."""

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
RULES = REPOSITORY / "deploy/observability/alerts.yaml"
SCENARIOS = Path(__file__).with_name("alerts.test.yaml")

# The first one waits until the tool is built: minutes, on a machine that has something else to do.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_each_alert_fires_when_it_should_and_not_before(promtool: Path, tmp_path: Path) -> None:
    for file in (RULES, SCENARIOS):
        shutil.copy(file, tmp_path)
    told = run(promtool, "test", "rules", SCENARIOS.name, folder=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr


def test_rules_and_their_texts_are_sound(promtool: Path) -> None:
    told = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert told.returncode == 0, told.stdout + told.stderr


def run(
    promtool: Path, *arguments: str, folder: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    """Run the tool to its end."""
    return subprocess.run(  # noqa: S603 - built here
        [promtool, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
