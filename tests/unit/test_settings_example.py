from pathlib import Path

import pytest

from nexus_core.settings.loader import load
from nexus_core.settings.sections import ServiceSettings
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.settings import SchedulerSettings
from nexus_supervisor.settings import SupervisorSettings
from tools.settings_example import example

FILE = Path("deploy/settings.example.yaml")


def test_the_example_is_written_from_the_settings() -> None:
    assert FILE.read_text(encoding="utf-8") == example()


@pytest.mark.parametrize(
    "kind", [ServiceSettings, SchedulerSettings, ReceiverSettings, SupervisorSettings]
)
def test_every_service_takes_the_example_and_nothing_changes(kind: type[ServiceSettings]) -> None:
    assert load(kind, {}, FILE) == kind()
