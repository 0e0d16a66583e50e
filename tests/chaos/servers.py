"""The servers of the world on real servers, and the way to them past and through gates."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from chaos.shard import CLUSTER
from support.caller import REPOSITORY, inherited_environment
from support.deployment import Servers
from support.gate import Gate
from tools.testbed.description import read_description
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places


def url_of(gate: Gate) -> str:
    """Return where others reach what is behind a gate."""
    return f"http://{gate.host}:{gate.port}"


def running_servers(keyspace: str) -> Servers:
    """Return the servers of the testbed.

    Raises:
        TestbedError: one of them does not run.
    """
    described = read_description(Places.from_environment())
    cassandra, s3, kubernetes = described.cassandra, described.s3, described.kubernetes
    if cassandra is None or s3 is None or kubernetes is None:
        raise TestbedError("the testbed is not complete: make testbed-up")
    return Servers(cassandra=cassandra, s3=s3, kubernetes=kubernetes, keyspace=keyspace)


async def make_keyspace(servers: Servers) -> None:
    """Make their keyspace, as people make theirs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nexus_schema",
        "apply",
        "--create-keyspace",
        "--replication=1",
        cwd=REPOSITORY,
        env={**inherited_environment(), **servers.settings()},
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise TestbedError(f"keyspace {servers.keyspace} could not be made")


def settings_behind(gates: Mapping[str, Gate], servers: Servers, folder: Path) -> dict[str, str]:
    """Return the settings that lead to the servers through their gates."""
    url = f"https://{gates['kubernetes'].host}:{gates['kubernetes'].port}"
    shards = folder / "shards"
    shards.mkdir()
    sources = [*Path(servers.kubernetes.shards_folder).glob("*.kubeconfig")]
    own = folder / "nexus.kubeconfig"
    targets = {Path(servers.kubernetes.nexus_kubeconfig): own} | {
        source: shards / source.name for source in sources if source.stem == CLUSTER
    }
    for source, target in targets.items():
        text = source.read_text("utf-8").replace(servers.kubernetes.endpoint, url)
        target.touch(mode=0o600)
        target.write_text(text, "utf-8")
    return Servers(
        cassandra=replace(
            servers.cassandra, host=gates["cassandra"].host, port=gates["cassandra"].port
        ),
        s3=replace(servers.s3, endpoint=url_of(gates["s3"])),
        kubernetes=replace(
            servers.kubernetes, shards_folder=str(shards), nexus_kubeconfig=str(own)
        ),
        keyspace=servers.keyspace,
    ).settings()
