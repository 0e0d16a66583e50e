"""What `cassandra.yaml` says, and why. What it leaves out has Cassandra's own default.

Timeouts, limits of batches and tombstones stay as Cassandra ships them: tests should meet them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

from tools.testbed.ports import LOOPBACK

LOCAL_DC = "datacenter1"
"""What the snitch below calls the only data centre."""


Durability = Literal["each write", "now and then"]
"""When the log is on disk: before a write is acknowledged, or within ten seconds.

Production goes without syncs, since a write is in the logs of several replicas. Then a node that is
killed loses what it acknowledged in the last tenth of a second: the replay of its log ends at the
last mark, and marks are made that often. Where there is one node only, that is a loss.
"""

_LOG_SYNCS: Mapping[Durability, Mapping[str, object]] = {
    "each write": {"commitlog_sync": "batch"},
    "now and then": {"commitlog_sync": "periodic", "commitlog_sync_period": "10s"},
}


class CassandraPorts(NamedTuple):
    """The ports of a node."""

    plain: int
    tls: int
    storage: int
    """Between nodes: nobody else comes, but it listens."""


def write_configuration(
    folder: Path, ports: CassandraPorts, keys: Path, authority: Path, durability: Durability
) -> Path:
    """Write `cassandra.yaml` for a node whose data lie in a folder.

    Args:
        folder: Where it goes; the data stand beside it.
        ports: Where the node listens, on loopback.
        keys: A PEM file of the node's key and certificate.
        authority: A PEM file of the authority that clients' certificates must come from.
        durability: What an acknowledged write survives.
    """
    content = {
        "cluster_name": "nexus-testbed",
        **_ring(ports),
        **_clients(ports, keys, authority),
        **_storage(durability),
    }
    path = folder / "cassandra.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def _ring(ports: CassandraPorts) -> dict[str, object]:
    seeds = {"seeds": f"{LOOPBACK}:{ports.storage}"}
    return {
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "num_tokens": 1,
        "auto_bootstrap": False,
        "hinted_handoff_enabled": False,
        "listen_address": LOOPBACK,
        "storage_port": ports.storage,
        "seed_provider": [
            {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [seeds]}
        ],
    }


def _clients(ports: CassandraPorts, keys: Path, authority: Path) -> dict[str, object]:
    return {
        "rpc_address": LOOPBACK,
        "native_transport_port": ports.plain,
        # Deprecated in favour of one port for both, on which a client that forgot TLS would pass.
        "native_transport_port_ssl": ports.tls,
        "client_encryption_options": {
            "enabled": True,
            "optional": False,
            "require_client_auth": True,
            "ssl_context_factory": {
                "class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"
            },
            "keystore": str(keys),
            "truststore": str(authority),
        },
        "authenticator": "PasswordAuthenticator",
        "authorizer": "CassandraAuthorizer",
        "role_manager": "CassandraRoleManager",
    }


def _storage(durability: Durability) -> dict[str, object]:
    return {
        # A new cluster has no older nodes to stay readable for.
        "storage_compatibility_mode": "NONE",
        # Half the round trips of the classic one, and what Nexus recommends.
        "paxos_variant": "v2",
        **_LOG_SYNCS[durability],
        "commitlog_segment_size": "16MiB",
        "commitlog_total_space": "512MiB",
        # Two cores; the defaults are for more.
        "concurrent_reads": 16,
        "concurrent_writes": 16,
        "concurrent_compactors": 1,
        "memtable_heap_space": "160MiB",
        "memtable_offheap_space": "64MiB",
        "key_cache_size": "8MiB",
        "counter_cache_size": "0MiB",
        "file_cache_size": "64MiB",
        # Tests drop and truncate a great deal, and want no copy of it.
        "auto_snapshot": False,
    }
