"""How the image of each service starts, tells of itself, and refuses to start."""

from collections.abc import Callable
from pathlib import Path

import aiohttp
import msgspec
import pytest

from support.caller import PATIENCE
from support.containers import HARDENED, PORTS, Container, Containers, seconds_to_live
from support.waiting import until_so
from tools.images.building import Version
from tools.testbed.errors import TestbedError

pytestmark = pytest.mark.engine

SECONDS = 2.0
"""In which a service starts."""

NOWHERE = (
    # Names that are known, with nobody there: a server for names may take its time to know none.
    "--add-host=cassandra.test:127.0.0.1",
    "--add-host=s3.test:127.0.0.1",
    "--env=NEXUS__CQL_STORE_TYPE=scylla",
    "--env=NEXUS__SCYLLA_CQL_STORE__HOSTS=cassandra.test",
    "--env=NEXUS__SCYLLA_CQL_STORE__LOCAL_DC=dc1",
    "--env=NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH=s3a://bucket/nexus",
    "--env=NEXUS__S3_BUFFER__REGION=eu-central-1",
    "--env=NEXUS__S3_BUFFER__ENDPOINT=http://s3.test",
    "--env=NEXUS__S3_BUFFER__ACCESS_KEY_ID=nobody",
    "--env=NEXUS__S3_BUFFER__SECRET_ACCESS_KEY=nobody",
    "--env=NEXUS__CALLBACK__SECRET=known to all three",
    "--env=NEXUS__CLUSTER_TYPE=process",
    "--env=NEXUS__PROCESS_CLUSTER__PATH=/tmp/cluster",
    "--env=NEXUS__CATALOGUE__SOURCE=folder",
    "--env=NEXUS__CATALOGUE__PATHS=/etc/nexus",
    "--tmpfs=/tmp:mode=1777",
)
"""Settings of a service whose stores are all away."""

OPTIONS = {service: () if service == "standalone" else NOWHERE for service in PORTS}

every_service = pytest.mark.parametrize("service", PORTS)


async def _told_healthy(container: Container) -> None:
    async def healthy() -> bool:
        return bool((await container.state())["Health"]["Status"] == "healthy")

    await until_so(healthy, PATIENCE)


@every_service
@pytest.mark.parametrize("user", ["65532:65532", "1000650000:0"], ids=["own", "of OpenShift"])
async def test_it_lives_on_a_read_only_file_system_without_rights_and_turns_healthy(
    service: str, user: str, containers: Containers, session: aiohttp.ClientSession
) -> None:
    container = await containers.start(
        service, *HARDENED, f"--user={user}", "--health-interval=1s", *OPTIONS[service]
    )

    assert await container.answers(session, PORTS[service], "/livez") == "ok"
    await _told_healthy(container)
    assert await container.stop() == 0


@every_service
async def test_it_starts_in_under_two_seconds(
    service: str,
    containers: Containers,
    session: aiohttp.ClientSession,
    record_property: Callable[[str, object], None],
) -> None:
    taken = []
    for _ in range(3):
        container = await containers.start(service, *HARDENED, *OPTIONS[service])
        taken.append(await seconds_to_live(container, session, PORTS[service]))
        await container.stop()

    best = min(taken)
    record_property(
        "measured",
        f"{service}: answers /livez {best.alone:.2f} s after its start with a processor for "
        f"itself, {best.here:.2f} s here",
    )
    assert best.alone < SECONDS


@every_service
async def test_its_health_check_notices_that_nobody_answers(
    service: str, containers: Containers, session: aiohttp.ClientSession
) -> None:
    container = await containers.start(service, *HARDENED, *OPTIONS[service])
    await container.answers(session, PORTS[service], "/livez")
    listener = "RECEIVER__LISTEN" if service == "standalone" else "LISTEN"
    elsewhere = f"--env=NEXUS__{listener}__PORT=9999"

    await container.docker("exec", container.id, f"nexus-{service}-health")
    with pytest.raises(TestbedError, match="9999/livez"):
        await container.docker("exec", elsewhere, container.id, f"nexus-{service}-health")


async def test_its_health_check_reads_the_file_that_a_variable_names(
    containers: Containers, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("listen: {host: 0.0.0.0, port: 9081}\n")
    container = await containers.start(
        "receiver",
        *HARDENED,
        *NOWHERE,
        f"--volume={file}:/etc/nexus/mine.yaml:ro",
        "--env=NEXUS_CONFIG=/etc/nexus/mine.yaml",
        "--publish=127.0.0.1::9081",
        "--health-interval=1s",
    )

    assert await container.answers(session, 9081, "/livez") == "ok"
    await _told_healthy(container)


@pytest.mark.parametrize("service", ["scheduler", "receiver", "supervisor"])
async def test_without_its_stores_it_lives_and_readyz_names_them(
    service: str, containers: Containers, session: aiohttp.ClientSession
) -> None:
    container = await containers.start(service, *HARDENED, *OPTIONS[service])

    await container.answers(session, PORTS[service], "/livez")
    said = msgspec.json.decode(await container.answers(session, PORTS[service], "/readyz", 503))

    assert said["parts"]["checkpoint-store"]["ready"] is False
    assert "cassandra.test" in said["parts"]["checkpoint-store"]["reason"]
    with pytest.raises(TestbedError, match=r"cassandra\.test"):
        await container.docker("exec", container.id, f"nexus-{service}-health", "--ready")


@every_service
async def test_it_says_its_version_and_ends(
    service: str, containers: Containers, version: Version
) -> None:
    container = await containers.start(service, *HARDENED, command=("--version",))

    assert await container.ends() == 0
    assert (await container.printed()).output == f"nexus-{service} {version.version}\n"


@every_service
async def test_a_setting_that_is_none_ends_it_with_one_line_that_names_it(
    service: str, containers: Containers
) -> None:
    container = await containers.start(service, *HARDENED, "--env=NEXUS__LOG_LEVLE=debug")

    assert await container.ends() == 2
    printed = await container.printed()
    assert printed.output == ""
    assert printed.errors.count("\n") == 1
    assert "NEXUS__LOG_LEVLE: is no setting; did you mean NEXUS__LOG_LEVEL?" in printed.errors


async def test_a_bad_value_in_the_mounted_file_of_settings_is_named(
    containers: Containers, tmp_path: Path
) -> None:
    file = tmp_path / "nexus.yaml"
    file.write_text("drain-timeout: soon\n")
    container = await containers.start(
        "receiver", *HARDENED, f"--volume={file}:/etc/nexus/settings/nexus.yaml:ro"
    )

    assert await container.ends() == 2
    assert "drain-timeout (NEXUS__DRAIN_TIMEOUT)" in (await container.printed()).errors
