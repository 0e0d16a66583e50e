"""For how long things are kept, as people set it."""

from datetime import timedelta

import pytest

from nexus_core.domain.retirement import Kept
from nexus_core.settings.loader import SettingsError, load
from nexus_standalone.settings import StandaloneSettings
from nexus_supervisor.settings import Retention, SupervisorSettings

DAY = timedelta(days=1)


def times(**environ: str) -> Retention:
    variables = {f"NEXUS__RETENTION__{name}": value for name, value in environ.items()}
    return load(SupervisorSettings, variables).retention


def test_by_default_what_is_large_goes_sooner_than_what_is_asked_for() -> None:
    found = Retention().times()

    assert [found.of(kept) for kept in Kept] == [DAY, 7 * DAY, 30 * DAY, 30 * DAY]
    assert StandaloneSettings().retention == SupervisorSettings().retention


def test_nothing_is_for_good() -> None:
    assert times(RECORDS="0s", RESULTS="0s").times().removed == [Kept.JOB, Kept.PAYLOAD]


@pytest.mark.parametrize("name", ["BUFFERED_JOBS", "PAYLOADS", "RESULTS"])
def test_records_that_would_go_before_what_they_lead_to_are_refused(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        times(RECORDS="100h", **{"RESULTS": "1h", "PAYLOADS": "1h", name: "101h"}).times()

    setting = f"retention.{name.lower().replace('_', '-')}"
    assert str(refused.value).startswith("retention.records (NEXUS__RETENTION__RECORDS): must be")
    assert setting in str(refused.value)


def test_records_stay_for_as_long_as_idempotency_keys_lead_to_them() -> None:
    with pytest.raises(SettingsError, match=r"retention\.records .*24h or more"):
        times(RECORDS="23h", RESULTS="1h", PAYLOADS="1h", BUFFERED_JOBS="1h").times()

    least = times(RECORDS="24h", RESULTS="24h", PAYLOADS="24h").times()
    assert least.records == DAY
