"""The users of a Cassandra, and whether it answers to them."""

import secrets

from tools.testbed.cassandra.cql import CqlConnection, CqlError, Login
from tools.testbed.ports import LOOPBACK

# Made by Cassandra itself on a node without users, and known to everybody.
_FACTORY_LOGIN = Login("cassandra", "cassandra")


def new_login(user: str) -> Login:
    """Return a login with a random password."""
    return Login(user, secrets.token_hex(16))


async def answers(port: int, superuser: Login, reader: Login) -> bool:
    """Tell whether a Cassandra answers to its superuser; gives it its users when it is new.

    Idempotent. The user whom every Cassandra begins with is gone afterwards.
    """
    try:
        async with CqlConnection.open(LOOPBACK, port, superuser) as connection:
            await connection.run(f"DROP ROLE IF EXISTS {_FACTORY_LOGIN.user}")
    except CqlError as error:
        if error.code == CqlError.BAD_CREDENTIALS:
            await _make_roles(port, superuser, reader)
        return False
    except OSError:
        return False
    return True


async def _make_roles(port: int, superuser: Login, reader: Login) -> None:
    create = "CREATE ROLE IF NOT EXISTS {} WITH PASSWORD = '{}' AND LOGIN = true"
    try:
        async with CqlConnection.open(LOOPBACK, port, _FACTORY_LOGIN) as connection:
            await connection.run(create.format(*reader))
            await connection.run(f"{create.format(*superuser)} AND SUPERUSER = true")
    except (CqlError, OSError):
        # Cassandra makes its first user a moment after it begins to listen: it is asked again.
        return
