"""The page of settings is what its tool prints, and leaves no setting without words."""

from pathlib import Path

import pytest

from nexus_core.settings.loader import Section
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.settings import SchedulerSettings
from nexus_standalone.settings import StandaloneSettings
from nexus_supervisor.settings import SupervisorSettings
from tools.settings_reference import page, tables

PAGE = Path(__file__).parents[2] / "docs/reference/settings.md"

SERVICES = [SchedulerSettings, ReceiverSettings, SupervisorSettings, StandaloneSettings]


def test_the_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "write it anew: .venv/bin/python -m tools.settings_reference > docs/reference/settings.md"
    )


@pytest.mark.parametrize("kind", SERVICES)
def test_every_setting_says_what_it_means(kind: type[Section]) -> None:
    settings = [setting for table in tables(kind) for setting in table.settings]
    assert settings
    assert [setting.path for setting in settings if not setting.meaning] == []
