"""What the settings say of a store that speaks CQL."""

import re
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from msgspec import Struct
from msgspec.structs import replace

from nexus_core.adapters.cassandra.astra_bundle import Bundle, read_bundle
from nexus_core.adapters.cassandra.connect import DriverName
from nexus_core.adapters.cassandra.driver_session import Limits
from nexus_core.adapters.cassandra.plan import AwsLogin, Login, Plan, Tls
from nexus_core.adapters.cassandra.tls import present, trust
from nexus_core.domain.errors import InvalidInputError
from nexus_core.settings.checkpoints import ScyllaCqlStore
from nexus_core.settings.loader import SettingsError, keyspaces_key, variable_of
from nexus_core.settings.sections import ServiceSettings


class CqlStore(Struct, frozen=True, kw_only=True):
    """A store that speaks CQL: where it is, and how to speak to it."""

    plan: Plan
    driver: DriverName
    limits: Limits
    indexed: bool
    """Whether `checkpoints` has secondary indexes."""
    bundle: Bundle | None = None
    """Of an Astra database; the plan names its file while it is kept in one."""


def cql_store(settings: ServiceSettings) -> CqlStore:
    """Read where the store is that `cql-store-type` names; checks all that needs no server.

    Raises:
        SettingsError: a setting is bad or missing, or so is a file that it names.
    """
    if settings.cql_store_type == "scylla":
        return _scylla(settings)
    if settings.cql_store_type == "astra":
        return _astra(settings)
    if settings.cql_store_type == "keyspaces":
        return _keyspaces(settings)
    return _refuse(
        ("cql-store-type",), "must be 'scylla', 'astra' or 'keyspaces' for a store of CQL"
    )


def _scylla(settings: ServiceSettings) -> CqlStore:
    section, path = settings.scylla_cql_store, "scylla-cql-store"
    hosts, port = _hosts(section.hosts, section.port, path)
    return _store(
        settings,
        Plan(
            name=f"Cassandra at {', '.join(hosts)} (port {port})",
            hosts=hosts,
            port=port,
            login=Login(section.user, section.password) if section.user else None,
            tls=_tls(section),
            local_dc=section.local_dc,
            keyspace=_keyspace(section.keyspace, path),
        ),
        indexed=section.indexes_supported,
    )


def _astra(settings: ServiceSettings) -> CqlStore:
    section, path = settings.astra_cql_store, "astra-cql-store"
    try:
        bundle = read_bundle(section.secure_connection_bundle_base64)
    except InvalidInputError as error:
        _refuse((path, "secure-connection-bundle-base64"), str(error))
    return _store(
        settings,
        Plan(
            name="Astra",
            login=Login(section.gateway_user, section.gateway_password),
            keyspace=_keyspace(section.keyspace, path),
        ),
        indexed=section.indexes_supported,
        bundle=bundle,
    )


def _keyspaces(settings: ServiceSettings) -> CqlStore:
    section, path = settings.keyspaces_cql_store, "keyspaces-cql-store"
    hosts, port = _hosts(section.hosts, section.port, path)
    if not section.region:
        _refuse((path, "region"), "must name a region, such as eu-central-1")
    key_id, secret = ("", "") if section.use_irsa else keyspaces_key()
    if not section.use_irsa and not (key_id and secret):
        _refuse(
            (path, "use-irsa"),
            "must be true, or KEYSPACES_AWS_ACCESS_KEY_ID and KEYSPACES_AWS_SECRET_ACCESS_KEY set",
        )
    tls = Tls(ca=Path(section.ca_path))
    _check(tls, path)
    return _store(
        settings,
        Plan(
            name=f"Keyspaces at {', '.join(hosts)}",
            hosts=hosts,
            port=port,
            login=AwsLogin(section.region, key_id, secret),
            tls=tls,
            local_dc=section.region,
            keyspace=_keyspace(section.keyspace, path),
        ),
        indexed=False,
        driver=DriverName.DATASTAX,
    )


def _store(
    settings: ServiceSettings,
    plan: Plan,
    *,
    indexed: bool,
    bundle: Bundle | None = None,
    driver: DriverName | None = None,
) -> CqlStore:
    section = settings.cql
    return CqlStore(
        plan=replace(
            plan,
            connect_seconds=section.connect_timeout,
            request_seconds=section.request_timeout,
            connections=section.connections,
        ),
        driver=driver or DriverName(section.driver),
        limits=Limits(
            in_flight=section.max_in_flight,
            request_seconds=section.request_timeout,
            patience_seconds=section.patience,
            tries=section.tries,
        ),
        indexed=indexed,
        bundle=bundle,
    )


def _hosts(written: Sequence[str], port: int, section: str) -> tuple[tuple[str, ...], int]:
    """Return hosts and their port, which entries may bring with them."""
    if not written:
        _refuse((section, "hosts"), "must name at least one host")
    hosts, ports = [], set()
    for entry in written:
        found = _HOST.fullmatch(entry)
        if found is None:
            _refuse((section, "hosts"), f"'{entry}' must be a host, or host:port")
        hosts.append(found["bracketed"] or found["host"])
        ports.add(int(found["port"] or port))
    if len(ports) > 1:
        _refuse((section, "hosts"), "must all have the same port, as the nodes of a cluster do")
    return tuple(hosts), ports.pop()


# `10.0.0.1`, `node:9142`, `::1`, `[::1]:9142`
_HOST = re.compile(
    r"(?:(?P<host>[^\s\[\]:/]+|[0-9a-fA-F:]+:[0-9a-fA-F:]*)|\[(?P<bracketed>[0-9a-fA-F:]+)\])"
    r"(?::(?P<port>\d{1,5}))?"
)


def _keyspace(name: str, section: str) -> str:
    if not re.fullmatch(r"[a-zA-Z]\w{0,47}", name, re.ASCII):
        _refuse((section, "keyspace"), "must be letters, digits and underscores, at most 48")
    # Without quotes, which we never write, the servers fold names.
    return name.lower()


def _tls(section: ScyllaCqlStore) -> Tls | None:
    path = "scylla-cql-store"
    if bool(section.certificate_path) != bool(section.key_path):
        lacking = "key-path" if section.certificate_path else "certificate-path"
        _refuse((path, lacking), "must be set too: certificate and key go together")
    if not section.ca_path:
        if section.certificate_path:
            _refuse((path, "ca-path"), "must be set: without it there is no TLS")
        return None
    tls = Tls(
        ca=Path(section.ca_path),
        certificate=Path(section.certificate_path) if section.certificate_path else None,
        key=Path(section.key_path) if section.key_path else None,
        verify_address=section.verify_address,
    )
    _check(tls, path)
    return tls


def _check(tls: Tls, section: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trust(context, tls.ca)
    except InvalidInputError as error:
        _refuse((section, "ca-path"), str(error))
    if tls.certificate and tls.key:
        try:
            present(context, tls.certificate, tls.key)
        except InvalidInputError as error:
            _refuse((section, "certificate-path"), str(error))


def _refuse(setting: tuple[str, ...], reason: str) -> NoReturn:
    raise SettingsError(f"{'.'.join(setting)} ({variable_of(setting)}): {reason}")
