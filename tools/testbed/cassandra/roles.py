"""The users of a Cassandra, and whether it answers to them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import acsylla

from tools.testbed.ports import LOOPBACK

_SECONDS = 5.0


class Login(NamedTuple):
    """A name and a password."""

    user: str
    password: str


# Made by Cassandra itself on a node without users, and known to everybody.
_FACTORY_LOGIN = Login("cassandra", "cassandra")


def new_login(user: str) -> Login:
    """Return a login with a random password."""
    return Login(user, secrets.token_hex(16))


async def answers(port: int, superuser: Login, reader: Login) -> bool:
    """Tell whether a Cassandra answers to its superuser; gives it its users when it is new.

    Idempotent. The user whom every Cassandra begins with is gone afterwards.
    """
    if not await _listens(port):
        return False
    try:
        async with _session(port, superuser) as session:
            await session.execute(acsylla.create_statement("SELECT key FROM system.local"))
            return True
    except acsylla.errors.CassErrorServerBadCredentials:
        return await _make_roles(port, superuser, reader)
    except acsylla.errors.CassException:
        return False


async def _make_roles(port: int, superuser: Login, reader: Login) -> bool:
    create = "CREATE ROLE IF NOT EXISTS {} WITH PASSWORD = '{}' AND LOGIN = true"
    try:
        async with _session(port, _FACTORY_LOGIN) as session:
            for statement in (
                create.format(*reader),
                create.format(*superuser) + " AND SUPERUSER = true",
            ):
                await session.execute(acsylla.create_statement(statement))
        async with _session(port, superuser) as session:
            drop = f"DROP ROLE IF EXISTS {_FACTORY_LOGIN.user}"
            await session.execute(acsylla.create_statement(drop))
    except acsylla.errors.CassException:
        # Cassandra makes its first user a moment after it begins to listen.
        return False
    return True


@asynccontextmanager
async def _session(port: int, login: Login) -> AsyncIterator[acsylla.Session]:
    cluster = acsylla.create_cluster(
        [LOOPBACK],
        port=port,
        username=login.user,
        password=login.password,
        connect_timeout=_SECONDS,
        request_timeout=_SECONDS,
        consistency="ONE",
        log_level="disabled",
        use_schema=False,
    )
    session = await cluster.create_session()
    try:
        yield session
    finally:
        await session.close()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True
