"""Who signs: the keys of the settings, or AWS's default chain."""

from math import ceil
from typing import Protocol

from aiobotocore.credentials import AioCredentials, AioRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError

from nexus_core.adapters.s3.signatures import Credentials

_Found = AioCredentials | AioRefreshableCredentials


class CredentialSource(Protocol):
    """Gives credentials that are valid now."""

    async def current(self) -> Credentials:
        """Return credentials; those that expire are renewed in time.

        Raises:
            NoCredentialsError, CredentialRetrievalError: of botocore.
        """

    async def lasting(self, seconds: float) -> Credentials | None:
        """Return credentials that are certain to be valid for so long; None when they are not.

        Raises:
            NoCredentialsError, CredentialRetrievalError: of botocore.
        """


class ChainCredentials:
    """Those of an aiobotocore session.

    Its chain is asked again as long as it has none: the metadata service of a machine may be late.
    """

    def __init__(self, session: AioSession) -> None:
        self._session = session

    async def current(self) -> Credentials:
        """Return credentials; those that expire are renewed in time."""
        return await _frozen(await self._found())

    async def lasting(self, seconds: float) -> Credentials | None:
        """Return credentials that are certain to be valid for so long; None when they are not."""
        found = await self._found()
        credentials = await _frozen(found)
        if isinstance(found, AioRefreshableCredentials):
            return None if found.refresh_needed(ceil(seconds)) else credentials
        # With a token they are temporary, and nobody knows until when.
        return None if credentials.session_token else credentials

    async def _found(self) -> _Found:
        found: _Found | None = await self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        return found


async def _frozen(found: _Found) -> Credentials:
    frozen = await found.get_frozen_credentials()
    return Credentials(frozen.access_key or "", frozen.secret_key or "", frozen.token or "")
