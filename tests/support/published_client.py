"""The published client of the Go implementation, driven from here."""

import asyncio
import json
from typing import Any

from support.caller import PATIENCE


class PublishedClient:
    """The client as a program that makes one call at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def scheduler(self, method: str, **arguments: Any) -> Any:
        """Call the client of the scheduler; return its result, or the error that it raised."""
        return await self._call("scheduler", method, arguments)

    async def receiver(self, method: str, **arguments: Any) -> Any:
        return await self._call("receiver", method, arguments)

    async def _call(self, client: str, method: str, arguments: dict[str, Any]) -> Any:
        call = {"client": client, "method": method, "arguments": arguments}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            answer = json.loads(await self._process.stdout.readline())
        return answer["result"] if "result" in answer else RefusedError(answer)


class RefusedError(Exception):
    """What the client raised, by the name of its class."""

    def __init__(self, answer: dict[str, str]) -> None:
        super().__init__(answer["message"])
        self.kind = answer["error"]
