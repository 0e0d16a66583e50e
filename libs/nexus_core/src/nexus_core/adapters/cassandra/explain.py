"""Why connecting failed, in one line that names the thing.

Drivers know little more than that it did. So we ask the server again ourselves: over TLS with the
same files, and for its data centres.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

from nexus_core.adapters.cassandra.driver import Fault
from nexus_core.adapters.cassandra.errors import NotReachedError, UnusableError
from nexus_core.adapters.cassandra.plan import AwsLogin, Login, Plan, Tls
from nexus_core.adapters.cassandra.tls import tls_context
from nexus_core.domain.errors import UnavailableError

# A question that every server answers before any login, in the protocol's version 4; and how the
# answer begins.
_OPTIONS = bytes([4, 0, 0, 0, 5, 0, 0, 0, 0])
_ANSWER = 0x84

# A server that accepts our certificate waits for us to speak.
_AFTERTHOUGHT_SECONDS = 1.0

_RETRY_AFTER_SECONDS = 5.0

DataCentres = Callable[[], Awaitable[set[str]]]
"""Asks the servers for the names of their data centres, wherever they are."""


class _NobodyError(Exception):
    """No host listens; says why if it is for their names."""


async def explained(
    plan: Plan, fault: tuple[Fault, str], data_centres: DataCentres
) -> UnavailableError:
    """Return what to tell of a connection that could not be made."""
    meaning, words = fault
    known = _of_words(plan, words)
    is_there = True
    if known is None and meaning in {Fault.NOT_SENT, Fault.UNUSABLE}:
        try:
            known = await _of_handshake(plan)
        except _NobodyError as error:
            is_there, words = False, str(error) or words
    if known is None and is_there and plan.local_dc:
        known = await _of_data_centres(plan, data_centres)
    if known is not None:
        return UnusableError(f"{plan.name}: {known}", retry_after=_RETRY_AFTER_SECONDS)
    if meaning is Fault.UNUSABLE:
        return UnusableError(f"{plan.name}: {words}", retry_after=_RETRY_AFTER_SECONDS)
    return NotReachedError(
        f"{plan.name}: can't be reached: {words}", retry_after=_RETRY_AFTER_SECONDS
    )


def _of_words(plan: Plan, words: str) -> str | None:
    if "bad credentials" in words.lower() or "failed to authenticate" in words.lower():
        return f"refuses to let {_who(plan)} in: wrong password, or no such user"
    if f"Keyspace '{plan.keyspace}' does not exist" in words:
        return (
            f"has no keyspace '{plan.keyspace}'; make it, or let `nexus-schema apply "
            f"--create-keyspace` do so"
        )
    return None


def _who(plan: Plan) -> str:
    if isinstance(plan.login, Login):
        return f"user '{plan.login.user}'"
    if isinstance(plan.login, AwsLogin):
        return f"AWS key '{plan.login.access_key_id or 'of the default chain'}'"
    return "anybody without a user"


async def _of_handshake(plan: Plan) -> str | None:
    """Shake hands with the first host that listens; return what is wrong with that.

    Raises:
        _NobodyError: none does.
    """
    if not plan.hosts:
        return None  # a bundle knows them
    unknown: list[str] = []
    for host in plan.hosts:
        try:
            async with asyncio.timeout(plan.connect_seconds):
                # By itself: uvloop leaves a lookup behind when connecting is given up, and then
                # complains that nobody wants to know how it ended.
                await asyncio.get_running_loop().getaddrinfo(host, plan.port)
        except OSError as error:
            reason = error.strerror or "no name server answers"
            unknown.append(f"{host} can't be looked up: {reason}")
            continue
        try:
            async with asyncio.timeout(plan.connect_seconds):
                return await (
                    _encrypted(host, plan.port, plan.tls) if plan.tls else _plain(host, plan.port)
                )
        except OSError:
            # Nobody listens there, or not to us; `TimeoutError` is one of these.
            continue
    raise _NobodyError("; ".join(unknown) if len(unknown) == len(plan.hosts) else "")


async def _plain(host: str, port: int) -> str | None:
    reader, writer = await asyncio.open_connection(host, port)
    answer = b""
    try:
        writer.write(_OPTIONS)
        with suppress(ConnectionError):
            answer = await reader.read(1)
    finally:
        writer.transport.abort()
    if answer == bytes([_ANSWER]):
        return None
    return f"port {port} of {host} speaks no CQL in the clear; if it wants TLS, set `ca-path`"


async def _encrypted(host: str, port: int, tls: Tls) -> str | None:
    try:
        reader, writer = await asyncio.open_connection(
            host, port, ssl=tls_context(tls), server_hostname=host if tls.verify_address else ""
        )
        try:
            return await _of_our_certificate(reader, host, tls)
        finally:
            writer.transport.abort()
    except ssl.SSLError as error:
        return _of_tls(error, host, tls)


async def _of_our_certificate(reader: asyncio.StreamReader, host: str, tls: Tls) -> str | None:
    """Return what the server says of our certificate, which comes after the handshake."""
    try:
        async with asyncio.timeout(_AFTERTHOUGHT_SECONDS):
            # Nothing is asked: it would be answered by a reset, which swallows what was said.
            await reader.read(1)
    except TimeoutError:
        return None
    except ConnectionResetError:
        pass
    return f"{host} ends the connection when it has seen our certificate {tls.certificate}"


def _of_tls(error: ssl.SSLError, host: str, tls: Tls) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"can't prove that it is {host}: {error.verify_message} (`ca-path` {tls.ca})"
    reason = error.reason or str(error)
    if "CERTIFICATE_REQUIRED" in reason:
        return f"{host} wants a client certificate; set `certificate-path` and `key-path`"
    if "ALERT" in reason:
        alert = reason.partition("ALERT_")[2].replace("_", " ").lower()
        return f"{host} refuses our certificate {tls.certificate}: {alert}"
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
        return f"{host} speaks no TLS on this port, and `ca-path` asks for it"
    return f"{host} and we find no common TLS: {reason.replace('_', ' ').lower()}"


async def _of_data_centres(plan: Plan, data_centres: DataCentres) -> str | None:
    try:
        known = await data_centres()
    except UnavailableError:
        return None
    if plan.local_dc in known:
        return None
    return f"has no data centre '{plan.local_dc}' (`local-dc`); it has {', '.join(sorted(known))}"
