"""What can be typed at `nexus-schema`, and what it reads."""

from pathlib import Path

import pytest

from nexus_core.composition.cql_schema import NewKeyspace
from nexus_core.settings.loader import SettingsError, load
from nexus_core.settings.sections import ServiceSettings
from nexus_schema.arguments import parse


def test_both_phases_unless_one_is_named() -> None:
    assert parse(["apply"]).phases == ("pre", "post")
    assert parse(["apply", "--phase", "pre"]).phases == ("pre",)


def test_no_keyspace_is_made_unless_asked_for() -> None:
    assert parse(["apply"]).new_keyspace is None
    given = parse(["apply", "--create-keyspace", "--replication", "dc1=2", "--without-tablets"])
    assert given.new_keyspace == NewKeyspace("dc1=2", tablets=False)


def test_waiting_is_a_duration() -> None:
    assert parse(["apply", "--wait", "1m30s"]).wait == 90.0


@pytest.mark.parametrize(
    "argv", [[], ["make"], ["apply", "--phase", "mid"], ["apply", "--wait", "soon"], ["check", "x"]]
)
def test_what_is_none_of_these_ends_with_two(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 2


def test_settings_of_services_are_passed_over_and_ours_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "nexus.yaml"
    file.write_text("listen: {port: 8080}\ncql-store-type: scylla\n", encoding="utf-8")
    environ = {"NEXUS__LISTEN__HOST": "0.0.0.0", "NEXUS__CQL__TRIES": "5"}  # noqa: S104 - unused
    settings = load(ServiceSettings, environ, file, beside_others=True)
    assert (settings.cql_store_type, settings.cql.tries) == ("scylla", 5)
    with pytest.raises(SettingsError, match="NEXUS__LISTEN__HOST"):
        load(ServiceSettings, environ, file)
    with pytest.raises(SettingsError, match="NEXUS__CQL__TRYS"):
        load(ServiceSettings, {"NEXUS__CQL__TRYS": "5"}, beside_others=True)
