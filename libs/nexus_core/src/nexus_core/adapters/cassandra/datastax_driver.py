"""The driver cassandra-driver, whose own threads read and write, bridged to the event loop.

It is the only one with signed logins for Amazon Keyspaces.
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    RequestValidationException,
    Unavailable,
    UnresolvableContactPoints,
    WriteTimeout,
    WriteType,
)
from cassandra.auth import AuthProvider, PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    ResponseFuture,
    ResultSet,
    Session,
)
from cassandra.connection import ConnectionException
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import (
    ErrorMessage,
    IsBootstrappingErrorMessage,
    OverloadedErrorMessage,
    SyntaxException,
)
from cassandra.query import (
    UNSET_VALUE,
    BatchStatement,
    BatchType,
    BoundStatement,
    SimpleStatement,
    tuple_factory,
)

from nexus_core.adapters.cassandra.astra_bundle import tls_of
from nexus_core.adapters.cassandra.bridge import Bridge
from nexus_core.adapters.cassandra.driver import Answer, Ask, Fault, Prepared
from nexus_core.adapters.cassandra.plan import AwsLogin, Login, Plan
from nexus_core.adapters.cassandra.session import UNSET, Consistency, Statement, Value
from nexus_core.adapters.cassandra.tls import tls_context

_CONSISTENCY = {
    Consistency.LOCAL_QUORUM: ConsistencyLevel.LOCAL_QUORUM,
    Consistency.LOCAL_SERIAL: ConsistencyLevel.LOCAL_SERIAL,
}

# The newest that Astra and Keyspaces speak; newer ones add checksums, which cost Python dearly.
_PROTOCOL = 4

# Between two tries to reach a lost node; doubles from the first to the second.
_RECONNECT_SECONDS = (0.25, 4.0)

# How long a change of the schema waits for the nodes to agree on it.
_AGREEMENT_SECONDS = 30

# A silent connection is asked whether it lives, and given up when it does not answer.
_HEARTBEAT_SECONDS = 5
_HEARTBEAT_ANSWER_SECONDS = 10


class DatastaxDriver:
    """A session of cassandra-driver. What blocks in it runs in a thread."""

    def __init__(self, cluster: Cluster, session: Session, *, serial_reads: bool) -> None:
        self._cluster = cluster
        self._serial_reads = serial_reads
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._bridge = Bridge(self._loop)

    async def prepare(self, statement: Statement, seconds: float) -> Prepared:
        """Let the servers prepare a statement; in a thread, since the driver blocks for it."""
        async with asyncio.timeout(seconds):
            prepared = await asyncio.to_thread(self._session.prepare, statement.cql)
        asked = statement.consistency if self._serial_reads else Consistency.LOCAL_QUORUM
        prepared.consistency_level = _CONSISTENCY[asked]
        return prepared

    async def execute(self, prepared: Prepared, values: Sequence[Value], ask: Ask) -> Answer:
        """Run a prepared statement once."""
        bound = _bound(prepared, values)
        bound.fetch_size = ask.page_size
        future = self._session.execute_async(
            bound, timeout=ask.seconds, paging_state=ask.page_state
        )
        return _answer(future, await self._answered(future))

    async def batch(
        self, writes: Sequence[tuple[Prepared, Sequence[Value]]], seconds: float
    ) -> None:
        """Run a logged batch once."""
        batch = BatchStatement(BatchType.LOGGED)
        for prepared, values in writes:
            batch.add(_bound(prepared, values))
        await self._answered(self._session.execute_async(batch, timeout=seconds))

    async def define(self, cql: str, seconds: float) -> None:
        """Run a statement that changes the schema; the driver waits until the nodes agree."""
        future = self._session.execute_async(SimpleStatement(cql), timeout=seconds)
        await self._answered(future)

    def fault_of(self, error: Exception) -> tuple[Fault, str] | None:
        """Return what an error means, and it in words; None when it is none of this driver's."""
        return fault_of(error)

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.to_thread(self._cluster.shutdown)

    async def _answered(self, future: ResponseFuture) -> list[tuple[Any, ...]] | None:
        waiter: asyncio.Future[list[tuple[Any, ...]] | None] = self._loop.create_future()
        future.add_callbacks(
            self._bridge.answer,
            self._bridge.fail,
            callback_args=(waiter,),
            errback_args=(waiter,),
        )
        return await waiter


async def open_driver(plan: Plan) -> DatastaxDriver:
    """Connect. Raises the driver's own errors."""
    # What matters comes back as an error; it logs the same with its stack, at every try.
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)
    cluster = await asyncio.to_thread(_cluster, plan)
    try:
        session = await asyncio.to_thread(cluster.connect)
        if plan.keyspace:
            # Not while connecting: that a keyspace is missing is then no more than a failed host.
            await asyncio.to_thread(session.set_keyspace, plan.keyspace)
    except BaseException:
        # Its threads go on trying otherwise. Not awaited: who cancels us does not wait for it.
        asyncio.get_running_loop().run_in_executor(None, cluster.shutdown)
        raise
    # Keyspaces knows no serial reads, and needs none: its transactions are done when they return.
    return DatastaxDriver(cluster, session, serial_reads=not isinstance(plan.login, AwsLogin))


def fault_of(error: Exception) -> tuple[Fault, str] | None:
    """Return what an error of cassandra-driver means, and it in words."""
    if isinstance(error, NoHostAvailable):
        return _fault_of_all_hosts(error)
    if isinstance(error, TimeoutError):
        return Fault.UNKNOWN, "no answer in time"
    if isinstance(error, WriteTimeout) and error.write_type == WriteType.BATCH_LOG:
        return Fault.NOT_SENT, str(error)
    for fault, kinds in _FAULTS.items():
        if isinstance(error, kinds):
            return fault, str(error)
    return None


_FAULTS: dict[Fault, tuple[type[Exception], ...]] = {
    Fault.NOT_SENT: (UnresolvableContactPoints,),
    Fault.REFUSED: (Unavailable, OverloadedErrorMessage, IsBootstrappingErrorMessage),
    Fault.UNUSABLE: (
        AuthenticationFailed,
        RequestValidationException,
        SyntaxException,
        ssl.SSLError,
    ),
    # Of the rest nothing is known to have changed nothing: timeouts, connections that broke.
    Fault.UNKNOWN: (DriverException, ConnectionException, ErrorMessage, OSError),
}


def _fault_of_all_hosts(error: NoHostAvailable) -> tuple[Fault, str]:
    """Return what the hosts say; when all of them say that it is hopeless, it is."""
    errors = error.errors if isinstance(error.errors, dict) else {}
    faults = [fault_of(one) for one in errors.values()]
    words = next((str(one) for one in errors.values()), str(error.args[0]))
    hopeless = faults and all(one is not None and one[0] is Fault.UNUSABLE for one in faults)
    return (Fault.UNUSABLE if hopeless else Fault.NOT_SENT), words


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _bound(prepared: Prepared, values: Sequence[Value]) -> BoundStatement:
    return prepared.bind([_written(value) for value in values])


def _written(value: Value) -> object:
    if isinstance(value, datetime):
        # Milliseconds as they are, cut off and not rounded.
        since = value - _EPOCH
        return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000
    return UNSET_VALUE if value is UNSET else value


def _answer(future: ResponseFuture, rows: list[tuple[Any, ...]] | None) -> Answer:
    result = ResultSet(future, rows)
    columns = list(result.column_names or ())
    times = [
        index
        for index, kind in enumerate(result.column_types or ())
        if kind.typename == "timestamp"
    ]
    if times and rows:
        rows = [_with_utc(row, times) for row in rows]
    return Answer(columns, rows or [], result.paging_state)


def _with_utc(row: tuple[Any, ...], times: list[int]) -> tuple[Any, ...]:
    """Return a row whose times say that they are in UTC."""
    values = list(row)
    for index in times:
        if values[index] is not None:
            values[index] = values[index].replace(tzinfo=UTC)
    return tuple(values)


def _cluster(plan: Plan) -> Cluster:
    policy = DCAwareRoundRobinPolicy(local_dc=plan.local_dc)
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(policy, shuffle_replicas=True),
        # Repeating is decided in one place, and not here.
        retry_policy=FallthroughRetryPolicy(),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
        request_timeout=plan.request_seconds,
        row_factory=tuple_factory,
    )
    return Cluster(
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        protocol_version=_PROTOCOL,
        connect_timeout=plan.connect_seconds,
        control_connection_timeout=plan.request_seconds,
        reconnection_policy=ExponentialReconnectionPolicy(*_RECONNECT_SECONDS),
        idle_heartbeat_interval=_HEARTBEAT_SECONDS,
        idle_heartbeat_timeout=_HEARTBEAT_ANSWER_SECONDS,
        max_schema_agreement_wait=_AGREEMENT_SECONDS,
        auth_provider=auth_of(plan),
        application_name="nexus",
        monitor_reporting_enabled=False,
        **_where(plan),
    )


def _where(plan: Plan) -> dict[str, object]:
    if plan.bundle is not None:
        bundle = {
            "secure_connect_bundle": str(plan.bundle),
            "connect_timeout": plan.connect_seconds,
            # Its own is of a kind that Python has given up.
            "ssl_context": tls_context(tls_of(plan.bundle)),
        }
        return {"cloud": bundle}
    context = tls_context(plan.tls) if plan.tls else None
    return {"contact_points": list(plan.hosts), "port": plan.port, "ssl_context": context}


def auth_of(plan: Plan) -> AuthProvider | None:
    """Return how to log in."""
    if isinstance(plan.login, Login):
        return PlainTextAuthProvider(plan.login.user, plan.login.password)
    if isinstance(plan.login, AwsLogin):
        return _signed(plan.login)
    return None


def _signed(login: AwsLogin) -> AuthProvider:
    # Here and not above: whoever uses this driver without AWS needs neither.
    import boto3  # noqa: PLC0415
    from cassandra_sigv4.auth import SigV4AuthProvider  # noqa: PLC0415

    session = boto3.Session(
        aws_access_key_id=login.access_key_id or None,
        aws_secret_access_key=login.secret_access_key or None,
        region_name=login.region,
    )
    return SigV4AuthProvider(session)
