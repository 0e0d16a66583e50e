"""The few calls of an API server that the testbed itself needs, as an administrator."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

from tools.testbed.certificates import Certificate
from tools.testbed.errors import TestbedError
from tools.testbed.kubernetes.kubeconfig import Endpoint

Resource = Mapping[str, Any]

DEFAULT_SECONDS = 30.0
"""How long an answer is waited for; a machine that runs many tests may be slow to give it."""

_CONFLICT = 409


class Api:
    """A client of one API server; an async context manager."""

    def __init__(
        self, endpoint: Endpoint, certificate: Certificate, seconds: float = DEFAULT_SECONDS
    ) -> None:
        context = ssl.create_default_context(cafile=str(endpoint.ca))
        context.load_cert_chain(certificate.certificate, certificate.key)
        self._session = aiohttp.ClientSession(
            endpoint.url,
            connector=aiohttp.TCPConnector(ssl=context),
            timeout=aiohttp.ClientTimeout(total=seconds),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _class: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def ready(self) -> bool:
        """Tell whether the server says that it is ready; no answer is a no."""
        try:
            async with self._session.get("/readyz") as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def create(self, path: str, resource: Resource) -> dict[str, Any]:
        """Create a resource in a collection, and return what the server answered.

        One of that name that is there already is left as it is.

        Raises:
            TestbedError: The server refused it, or did not answer.
        """
        async with self._answer("POST", path, json=resource) as response:
            answer: dict[str, Any] = await response.json()
            if not response.ok and response.status != _CONFLICT:
                raise TestbedError(f"the API server refused a {resource['kind']}: {answer}")
            return answer

    async def get(self, path: str) -> dict[str, Any] | None:
        """Return a resource or a list; `None` where there is none.

        Raises:
            TestbedError: The server did not answer.
        """
        async with self._answer("GET", path) as response:
            return await response.json() if response.ok else None

    async def patch(self, path: str, change: Resource) -> None:
        """Merge a change into a resource, lists as a whole.

        Raises:
            TestbedError: The server refused it, or did not answer.
        """
        merge = {"Content-Type": "application/merge-patch+json"}
        async with self._answer("PATCH", path, json=change, headers=merge) as response:
            if not response.ok:
                reason = await response.text()
                raise TestbedError(f"the API server refused to change {path}: {reason}")

    async def delete(self, path: str) -> None:
        """Delete a resource, if it is there, and in the background what belongs to it.

        Raises:
            TestbedError: The server did not answer.
        """
        async with self._answer("DELETE", path, params={"propagationPolicy": "Background"}):
            pass

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        *,
        json: Resource | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        request = self._session.request(method, path, json=json, params=params, headers=headers)
        try:
            async with request as response:
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            unanswered = f"the API server did not answer {method} {path}: {error!r}"
            raise TestbedError(unanswered) from error
