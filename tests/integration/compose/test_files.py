"""The files of the stack, as the tool reads them; no engine is asked."""

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from support.caller import REPOSITORY, inherited_environment
from support.stack import FOLDER
from tools.images.building import version_of

pytestmark = pytest.mark.integration

PROFILES = (
    ("full",),
    ("light",),
    ("full", "observability"),
    ("light", "observability"),
)
ALWAYS = {"scheduler", "receiver", "supervisor"}
OBSERVABILITY = {"prometheus", "grafana"}
OURS = {"schema", "scheduler", "receiver", "supervisor", "standalone"}
ONCE = {"cassandra-role", "s3-bucket", "kubernetes-objects", "schema"}
GENERATED = {FOLDER / ".images/nexus-examples.tar"}
"""What `make compose-images` writes."""

Service = dict[str, Any]


def config(compose: Path, *arguments: str, **variables: str) -> str:
    told = subprocess.run(  # noqa: S603 - the tool that was built
        [compose, f"--file={FOLDER / 'compose.yaml'}", *arguments],
        env={**inherited_environment(), **variables},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "level=warning" not in told.stderr, told.stderr
    return told.stdout


def services_of(compose: Path, *profiles: str, **variables: str) -> dict[str, Service]:
    chosen = [f"--profile={profile}" for profile in profiles]
    printed = config(compose, *chosen, "config", "--format=json", **variables)
    services: dict[str, Service] = msgspec.json.decode(printed)["services"]
    return services


@pytest.fixture(scope="module", autouse=True)
def no_settings_of_somebody() -> None:
    if (FOLDER / ".env").exists():
        pytest.skip("there is a deploy/compose/.env, which would be read with the files")


@pytest.fixture(scope="module")
def all_services(compose_program: Path) -> dict[str, Service]:
    return services_of(compose_program, "*")


@pytest.mark.parametrize("profiles", PROFILES, ids="+".join)
def test_a_profile_starts_its_own_services_and_no_others(
    compose_program: Path, profiles: tuple[str, ...]
) -> None:
    services = set(services_of(compose_program, *profiles))
    assert ("standalone" in services) == ("light" in profiles)
    assert (services >= {"cassandra", "s3", "kubernetes", *ONCE, *ALWAYS}) == ("full" in profiles)
    assert (services >= OBSERVABILITY) == ("observability" in profiles)
    if "full" not in profiles:
        assert services <= {"standalone", *OBSERVABILITY}


def test_the_example_of_settings_chooses_the_full_stack(compose_program: Path) -> None:
    example = ["--env-file", str(FOLDER / ".env.example")]
    chosen = config(compose_program, *example, "config", "--services").split()
    assert set(chosen) == set(services_of(compose_program, "full"))


def explained() -> dict[str, str]:
    """Return the variables of the example with the values it shows, commented out or not."""
    text = (FOLDER / ".env.example").read_text("utf-8")
    return dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))


def test_every_variable_is_explained_with_its_default_and_no_other_is(
    compose_program: Path,
) -> None:
    table = config(compose_program, "--profile=*", "config", "--variables").splitlines()[1:]
    names = {line.split()[0] for line in table}
    text = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.yaml"))
    used = dict(re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)\}", text))
    assert set(used) == names
    assert explained() == {**used, "COMPOSE_PROFILES": "full"}


def test_an_example_of_which_all_lines_are_taken_changes_nothing(
    compose_program: Path, all_services: dict[str, Service], tmp_path: Path
) -> None:
    taken = tmp_path / "env"
    text = (FOLDER / ".env.example").read_text("utf-8")
    taken.write_text(re.sub(r"^# (?=[A-Z][A-Z0-9_]*=)", "", text, flags=re.MULTILINE), "utf-8")
    printed = config(
        compose_program, f"--env-file={taken}", "--profile=*", "config", "--format=json"
    )
    assert msgspec.json.decode(printed)["services"] == all_services


def test_a_variable_has_the_same_default_wherever_it_stands() -> None:
    text = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.yaml"))
    defaults: dict[str, set[str]] = {}
    for name, default in re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)\}", text):
        defaults.setdefault(name, set()).add(default)
    assert {name: found for name, found in defaults.items() if len(found) > 1} == {}


def test_the_images_are_those_that_make_images_makes(all_services: dict[str, Service]) -> None:
    version = asyncio.run(version_of()).version
    images = {name: all_services[name]["image"] for name in OURS - {"schema"}}
    assert images == {name: f"nexus-{name}:{version}" for name in images}
    assert all_services["schema"]["image"] == images["scheduler"]


def test_every_image_is_pinned_to_a_release(all_services: dict[str, Service]) -> None:
    for service in all_services.values():
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+(\.\d+)?(-k3s\d)?", service["image"])


def test_a_registry_and_a_tag_name_other_images(compose_program: Path) -> None:
    services = services_of(
        compose_program, "*", NEXUS_REGISTRY="registry.example.com/", NEXUS_TAG="1.2.3"
    )
    for name in OURS - {"schema"}:
        assert services[name]["image"] == f"registry.example.com/nexus-{name}:1.2.3"


def mounts(services: dict[str, Service]) -> list[dict[str, Any]]:
    return [
        volume
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]


def test_every_path_that_is_mounted_is_there_and_can_not_be_written(
    all_services: dict[str, Service],
) -> None:
    for mount in mounts(all_services):
        assert mount["read_only"]
        assert Path(mount["source"]).exists() or Path(mount["source"]) in GENERATED


def test_definitions_rights_examples_alerts_and_dashboards_are_mounted(
    all_services: dict[str, Service],
) -> None:
    mounted = {Path(mount["source"]) for mount in mounts(all_services)}
    deploy = REPOSITORY / "deploy"
    assert mounted >= {
        deploy / "crds",
        deploy / "rbac",
        REPOSITORY / "examples",
        deploy / "observability/alerts.yaml",
        deploy / "observability/dashboards",
    }


def test_every_file_of_the_stack_is_used(all_services: dict[str, Service]) -> None:
    mounted = {Path(mount["source"]) for mount in mounts(all_services)}
    included = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))["include"]
    read = {FOLDER / name for name in ("compose.yaml", ".env.example", *included)}
    own = {
        path
        for path in FOLDER.rglob("*")
        if path.is_file() and path.name != ".env" and path not in GENERATED
    }
    assert own == read | {path for path in mounted if path in own}


def test_nothing_is_open_to_other_machines(all_services: dict[str, Service]) -> None:
    published = [port["host_ip"] for one in all_services.values() for port in one.get("ports", [])]
    assert len(published) > len(OURS)
    assert set(published) == {"127.0.0.1"}


def test_clients_of_other_machines_are_handed_urls_that_they_can_open(
    compose_program: Path,
) -> None:
    services = services_of(
        compose_program,
        "*",
        NEXUS_BIND="192.0.2.7",
        NEXUS_PUBLIC_HOST="nexus.test",
        NEXUS_SCHEDULER_PORT="8090",
    )
    for name in ("scheduler", "standalone"):
        assert services[name]["environment"]["NEXUS__PUBLIC_URL"] == "http://nexus.test:8090"


def test_the_demo_finds_the_scheduler_at_its_own_port(all_services: dict[str, Service]) -> None:
    for name in ("scheduler", "standalone"):
        published = {port["published"] for port in all_services[name]["ports"]}
        assert "8080" in published


@pytest.mark.parametrize("name", sorted(OURS))
def test_ours_can_write_nowhere_and_have_no_rights(
    all_services: dict[str, Service], name: str
) -> None:
    service = all_services[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")


def test_all_logs_have_a_limit(all_services: dict[str, Service]) -> None:
    for service in all_services.values():
        assert service["logging"]["options"]["max-size"] == "10m"


def test_what_goes_on_is_started_again_and_watched_and_what_ends_is_not(
    all_services: dict[str, Service],
) -> None:
    for name, service in all_services.items():
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
        check = service.get("healthcheck", {})
        assert bool(check.get("test")) == (name not in ONCE)


def test_what_is_waited_for_is_health_or_an_end_and_never_a_start(
    all_services: dict[str, Service],
) -> None:
    for service in all_services.values():
        for name, dependency in service.get("depends_on", {}).items():
            ends = name in ONCE
            wanted = "service_completed_successfully" if ends else "service_healthy"
            assert dependency["condition"] == wanted


def test_the_administrator_of_the_cluster_is_known_to_the_one_who_sets_it_up(
    all_services: dict[str, Service],
) -> None:
    who = {
        name
        for name, service in all_services.items()
        for volume in service.get("volumes", [])
        if volume["source"] == "kubernetes-administrator"
    }
    assert who == {"kubernetes", "kubernetes-objects"}


def test_scheduler_and_supervisor_have_an_account_each(all_services: dict[str, Service]) -> None:
    for name in ("scheduler", "supervisor"):
        (volume,) = all_services[name]["volumes"]
        assert volume["source"] == f"{name}-kubeconfig"
        assert volume["read_only"]


def test_prometheus_scrapes_all_three_and_loads_our_alerts() -> None:
    settings = yaml.safe_load((FOLDER / "observability/prometheus.yaml").read_text("utf-8"))
    scraped = {
        one["job_name"]: one["static_configs"][0]["targets"] for one in settings["scrape_configs"]
    }
    assert scraped == {
        "scheduler": ["scheduler:8080"],
        "receiver": ["receiver:8081"],
        "supervisor": ["supervisor:8082"],
    }
