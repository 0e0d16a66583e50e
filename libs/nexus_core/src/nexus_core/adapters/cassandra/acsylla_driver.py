"""The driver acsylla: Scylla's C++ driver, whose threads wake the event loop."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import acsylla
import structlog
from acsylla import errors as cass

from nexus_core.adapters.cassandra.driver import Answer, Ask, Fault, Prepared
from nexus_core.adapters.cassandra.plan import Login, Plan, Tls
from nexus_core.adapters.cassandra.session import UNSET, Consistency, Statement, Value

log = structlog.get_logger()

_CONSISTENCY = {
    Consistency.LOCAL_QUORUM: acsylla.Consistency.LOCAL_QUORUM,
    Consistency.LOCAL_SERIAL: acsylla.Consistency.LOCAL_SERIAL,
}

# Between two tries to reach a lost node; doubles from the first to the second.
_RECONNECT_MILLISECONDS = (250, 4_000)

# A silent connection is asked whether it lives, and given up when it does not answer.
_HEARTBEAT_SECONDS = 5
_IDLE_SECONDS = 15
_KEEP_ALIVE_SECONDS = 30

# Requests that come within so many microseconds are written together. The driver's default, 200,
# is most of what a single request takes on a near server.
_COALESCE_MICROSECONDS = 50

# How long a change of the schema waits for the nodes to agree on it.
_AGREEMENT_MILLISECONDS = 30_000

# Closing waits for what is under way, which ends within its own time.
_CLOSE_SECONDS = 15.0


class AcsyllaDriver:
    """A session of acsylla. It serves the event loop of the main thread alone."""

    def __init__(self, cluster: Any, session: Any) -> None:  # noqa: ANN401 - it has no types
        self._cluster = cluster
        self._session = session

    async def prepare(self, statement: Statement, seconds: float) -> Prepared:
        """Let the servers prepare a statement."""
        async with asyncio.timeout(seconds):
            # Not `native_types`, which gives times as text.
            return await self._session.create_prepared(
                statement.cql,
                consistency=_CONSISTENCY[statement.consistency],
                serial_consistency=acsylla.Consistency.LOCAL_SERIAL,
            )

    async def execute(self, prepared: Prepared, values: Sequence[Value], ask: Ask) -> Answer:
        """Run a prepared statement once."""
        result = await self._session.execute(_bound(prepared, values, ask))
        rows = [row.as_tuple() for row in result]
        state = result.page_state() if result.has_more_pages() else None
        return Answer(result.columns_names(), rows, state)

    async def batch(
        self, writes: Sequence[tuple[Prepared, Sequence[Value]]], seconds: float
    ) -> None:
        """Run a logged batch once."""
        batch = acsylla.create_batch_logged(timeout=seconds)
        batch.set_consistency(acsylla.Consistency.LOCAL_QUORUM)
        for prepared, values in writes:
            batch.add_statement(_bound(prepared, values, Ask(seconds)))
        await self._session.execute_batch(batch)

    async def define(self, cql: str, seconds: float) -> None:
        """Run a statement that changes the schema; the driver waits until the nodes agree."""
        await self._session.execute(acsylla.create_statement(cql, timeout=seconds))

    def fault_of(self, error: Exception) -> tuple[Fault, str] | None:
        """Return what an error means, and it in words; None when it is none of this driver's."""
        return fault_of(error)

    async def close(self) -> None:
        """Close all connections."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._session.close()
        except TimeoutError:
            log.warning("cql session did not close", seconds=_CLOSE_SECONDS)


async def open_driver(plan: Plan) -> AcsyllaDriver:
    """Connect. Raises the driver's own errors.

    Cancelled, it ends only when the driver has given up or connected, within the time-outs of the
    plan: a session that is let go while it connects blocks the thread, and so the process, forever.
    """
    cluster = acsylla.create_cluster(**_where(plan), **_HOW)
    connecting = asyncio.create_task(
        cluster.create_session(keyspace=plan.keyspace or None), name="cql connect"
    )
    try:
        return AcsyllaDriver(cluster, await asyncio.shield(connecting))
    except asyncio.CancelledError:
        await _ended(connecting)
        if not connecting.cancelled() and connecting.exception() is None:
            await AcsyllaDriver(cluster, connecting.result()).close()
        raise


async def _ended(task: asyncio.Task[Any]) -> None:
    """Wait for the end of a task, also when cancelled again meanwhile."""
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])


def fault_of(error: Exception) -> tuple[Fault, str] | None:
    """Return what an error of acsylla means, and it in words."""
    if isinstance(error, TimeoutError):
        return Fault.UNKNOWN, "no answer in time"
    if not isinstance(error, cass.CassException):
        return None
    for fault, kinds in _FAULTS.items():
        if isinstance(error, kinds):
            return fault, str(error)
    # Whatever it is, it is not known to have changed nothing.
    return Fault.UNKNOWN, str(error)


_FAULTS: dict[Fault, tuple[type[Exception], ...]] = {
    Fault.NOT_SENT: (
        cass.CassErrorLibNoHostsAvailable,
        cass.CassErrorLibRequestQueueFull,
        cass.CassErrorLibNoAvailableIoThread,
        cass.CassErrorLibNoStreams,
        cass.CassErrorLibUnableToConnect,
        cass.CassErrorLibHostResolution,
    ),
    Fault.REFUSED: (
        cass.CassErrorServerUnavailable,
        cass.CassErrorServerOverloaded,
        cass.CassErrorServerIsBootstrapping,
        cass.CassErrorServerUnprepared,
    ),
    Fault.UNUSABLE: (
        cass.CassErrorServerBadCredentials,
        cass.CassErrorServerUnauthorized,
        cass.CassErrorServerInvalidQuery,
        cass.CassErrorServerSyntaxError,
        cass.CassErrorServerConfigError,
        cass.CassErrorServerAlreadyExists,
        cass.CassErrorLibUnableToSetKeyspace,
        cass.CassErrorLibBadParams,
        cass.CassErrorSourceSsl,
    ),
}


def _bound(prepared: Prepared, values: Sequence[Value], ask: Ask) -> Any:  # noqa: ANN401 - likewise
    if UNSET not in values:
        return prepared.bind(
            list(values), timeout=ask.seconds, page_size=ask.page_size, page_state=ask.page_state
        )
    # What is not bound is left alone.
    bound = prepared.bind(timeout=ask.seconds, page_size=ask.page_size, page_state=ask.page_state)
    for index, value in enumerate(values):
        if value is not UNSET:
            bound.bind(index, value)
    return bound


def _heard(message: acsylla.LogMessage) -> None:
    # What matters comes back as an error; the rest repeats itself with every try to connect.
    log.debug("cql driver", level=message.log_level, text=message.message)


_HOW: dict[str, object] = {
    "consistency": acsylla.Consistency.LOCAL_QUORUM,
    "serial_consistency": acsylla.Consistency.LOCAL_SERIAL,
    # Repeating is decided in one place, and not here.
    "retry_policy": "fallthrough",
    "exponential_reconnect_base_delay_ms": _RECONNECT_MILLISECONDS[0],
    "exponential_reconnect_max_delay_ms": _RECONNECT_MILLISECONDS[1],
    "heartbeat_interval_sec": _HEARTBEAT_SECONDS,
    "idle_timeout_sec": _IDLE_SECONDS,
    "tcp_keepalive_sec": _KEEP_ALIVE_SECONDS,
    "coalesce_delay_us": _COALESCE_MICROSECONDS,
    "max_schema_wait_time_ms": _AGREEMENT_MILLISECONDS,
    "token_aware_routing": True,
    "log_level": "error",
    "logging_callback": _heard,
    "application_name": "nexus",
}


def _where(plan: Plan) -> dict[str, object]:
    """Return where to connect to and as whom."""
    options: dict[str, object] = {
        "connect_timeout": plan.connect_seconds,
        "resolve_timeout": plan.connect_seconds,
        "request_timeout": plan.request_seconds,
        "core_connections_per_host": plan.connections,
    }
    if isinstance(plan.login, Login):
        options |= {"username": plan.login.user, "password": plan.login.password}
    if plan.bundle is not None:
        return options | {"cloud_secure_connection_bundle": str(plan.bundle)}
    return options | {
        "contact_points": ",".join(plan.hosts),
        "port": plan.port,
        "load_balance_dc_aware": plan.local_dc or None,
        **(_encrypted(plan.tls) if plan.tls else {}),
    }


def _encrypted(tls: Tls) -> dict[str, object]:
    flags = acsylla.SSLVerifyFlags
    return {
        "ssl_enabled": True,
        "ssl_trusted_cert": tls.ca.read_text(encoding="ascii"),
        "ssl_cert": tls.certificate and tls.certificate.read_text(encoding="ascii"),
        "ssl_private_key": tls.key and tls.key.read_text(encoding="ascii"),
        "ssl_verify_flags": flags.PEER_IDENTITY if tls.verify_address else flags.PEER_CERT,
    }
