"""The users of the server, its bucket, and whether it answers."""

import secrets
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from tools.testbed.builds import run
from tools.testbed.errors import TestbedError

REGION: Final = "eu-central-1"
"""Not the one that clients take when none is said."""
BUCKET = "nexus-payloads"
HEALTH = "/health"

_SECONDS = 5.0


class KeyPair(NamedTuple):
    """What a user signs with."""

    id: str
    secret: str


def new_key_pair() -> KeyPair:
    """Return a random one, in the shape of Amazon's."""
    return KeyPair(f"TEST{secrets.token_hex(8).upper()}", secrets.token_hex(20))


async def answers(endpoint: str) -> bool:
    """Tell whether the server at a URL takes requests."""
    timeout = aiohttp.ClientTimeout(_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(endpoint + HEALTH) as response,
        ):
            return response.status == 200  # noqa: PLR2004 - OK
    except (aiohttp.ClientError, TimeoutError):
        return False


async def make_user(program: Path, endpoint: str, root: KeyPair, user: KeyPair, log: Path) -> None:
    """Make a user who owns no bucket and was granted none, with the server's own command.

    Args:
        program: The server's program.
        endpoint: Where the server is.
        root: Its administrator.
        user: Who is made. Not there yet.
        log: Where the command's output goes.

    Raises:
        TestbedError: The server refused.
    """
    command = [str(program), "admin", "create-user", "--role", "user"]
    environment = {
        "ADMIN_ACCESS_KEY_ID": root.id,
        "ADMIN_SECRET_ACCESS_KEY": root.secret,
        "ADMIN_ENDPOINT_URL": endpoint,
        "ADMIN_REGION": REGION,
    }
    keys = ["--access", user.id, "--secret", user.secret]
    await run([*command, *keys], log, log.parent, environment)


async def make_bucket(endpoint: str, owner: KeyPair) -> None:
    """Make the bucket that tests use. It is not there yet.

    Raises:
        TestbedError: The server refused.
    """
    client = get_session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=owner.id,
        aws_secret_access_key=owner.secret,
        config=AioConfig(connect_timeout=_SECONDS, read_timeout=_SECONDS),
    )
    try:
        async with client as s3:
            await s3.create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
    except (BotoCoreError, ClientError) as error:
        raise TestbedError(f"the bucket {BUCKET} can't be made: {error}") from error
