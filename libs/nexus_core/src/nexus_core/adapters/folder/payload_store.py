"""The port `PayloadStore` in a folder."""

import os
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

from nexus_core.adapters.folder.contents import PIECE_BYTES, OpenFile, at_once, in_pieces
from nexus_core.adapters.folder.drafts import Draft, DraftFolder, finish
from nexus_core.adapters.folder.file_system import unavailable
from nexus_core.adapters.folder.group_writer import LANES, GroupWriter
from nexus_core.adapters.folder.placements import place_all
from nexus_core.adapters.folder.stored_files import (
    folder_of,
    name_of,
    next_portion,
    stored_files,
)
from nexus_core.adapters.folder.threads import Threads
from nexus_core.adapters.scheduler_urls import SchedulerUrls
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey, parse_run_key
from nexus_core.ports.clock import Clock
from nexus_core.ports.payload_store import Content, Stored
from nexus_core.ports.stored_content import StoredItem

# Beside the lanes of the group writer: for reads and for uploads, which must not wait for each
# other's whole length, and do not, since a trip carries one piece.
_OTHER_THREADS = 4


class FolderPayloadStore:
    """Keeps content at `<root>/algorithm=<algorithm>/<request id>`, results with `.result` added.

    Its URLs lead to a scheduler, which verifies and serves them.
    """

    def __init__(self, drafts: DraftFolder, threads: Threads, urls: SchedulerUrls) -> None:
        self._threads = threads
        self._drafts = drafts
        self._root = str(drafts.root)
        self._urls = urls
        self._group = GroupWriter(threads, partial(place_all, drafts))

    @classmethod
    @asynccontextmanager
    async def open(cls, root: Path, urls: SignedUrls, clock: Clock) -> AsyncIterator[Self]:
        """Open a folder, making it where there is none, and clear what crashed writes left in it.

        Leaving finishes every small write that waits before it ends the threads.

        Raises:
            UnavailableError: the folder can't be made or written; names it.
        """
        async with AsyncExitStack() as stack:
            threads = Threads(root, LANES + _OTHER_THREADS)
            drafts = DraftFolder(root)
            stack.callback(drafts.close)
            stack.push_async_callback(threads.close)
            await threads.run(drafts.open)
            store = cls(drafts, threads, SchedulerUrls(urls, clock))
            stack.push_async_callback(store._group.close)
            yield store

    async def put(self, content: Content, key: RunKey, body: bytes | AsyncIterable[bytes]) -> None:
        """Store content; durable when it returns."""
        folder, name = self._place(content, key)
        if not isinstance(body, bytes):
            await self._put_stream(folder, name, body)
        elif len(body) <= PIECE_BYTES:
            await self._group.write(folder, name, body)
        else:
            await self._threads.run(finish, self._drafts.draft(), body, f"{folder}/{name}")

    async def get(self, content: Content, key: RunKey) -> Stored | None:
        """Open content for reading; None when nothing is stored."""
        found = await self._threads.run(_open, self._path(content, key))
        if found is None:
            return None
        if isinstance(found, bytes):
            return Stored(len(found), at_once(found))
        return Stored(found.size, in_pieces(found, self._threads))

    async def size(self, content: Content, key: RunKey) -> int | None:
        """Return the size of content in bytes; None when nothing is stored."""
        return await self._threads.run(_size, self._path(content, key))

    async def delete(self, content: Content, key: RunKey) -> None:
        """Remove content. Idempotent.

        Not synced: a file that a power failure brings back is garbage to be collected once more.
        """
        await self._threads.run(_delete, self._path(content, key))

    def uri(self, content: Content, key: RunKey) -> str:
        """Return the content's place under the root, which may itself be moved."""
        return f"folder:///{self._path(content, key).removeprefix(f'{self._root}/')}"

    async def download_url(
        self, content: Content, key: RunKey, valid_for: timedelta, content_hash: str = ""
    ) -> str:
        """Return a signed URL of the scheduler to GET content."""
        return self._urls.download(content, key, valid_for, content_hash)

    async def upload_url(self, content: Content, key: RunKey, valid_for: timedelta) -> str:
        """Return a signed URL of the scheduler to PUT a result to.

        Raises:
            ValueError: the content is a payload; those come with their request.
        """
        return self._urls.upload(content, key, valid_for)

    async def stored_before(self, before: datetime) -> AsyncIterator[Sequence[StoredItem]]:
        """Go through what was stored before a time, in portions, in no order.

        A walk through all names: 3 s of a thread for a million of them.
        """
        walk = stored_files(self._root, before.timestamp())
        while (portion := await self._threads.run(next_portion, walk)) is not None:
            yield portion

    async def ping(self) -> None:
        """Return when the folder is there, can be written, and its disk has room."""
        await self._threads.run(_check, self._drafts.path)

    async def _put_stream(self, folder: str, name: str, body: AsyncIterable[bytes]) -> None:
        draft, begun, target = self._drafts.draft(), False, f"{folder}/{name}"
        waiting = bytearray()
        try:
            async for chunk in body:
                waiting += chunk
                if len(waiting) >= PIECE_BYTES:
                    begun = True
                    await self._threads.run(_append, draft, bytes(waiting), target)
                    waiting.clear()
            if begun:
                await self._threads.run(finish, draft, bytes(waiting), target)
            else:
                await self._group.write(folder, name, bytes(waiting))
        except BaseException:
            # Refused or cancelled. A thread may still be writing, so another one waits for it.
            if begun:
                self._threads.run_later(draft.discard)
            raise

    def _place(self, content: Content, key: RunKey) -> tuple[str, str]:
        """Return the folder and the name of a file."""
        # Checked here too, though callers have: a name with a slash would lead out of the folder.
        parse_run_key(key.algorithm, key.request_id)
        return f"{self._root}/{folder_of(key.algorithm)}", name_of(content, key.request_id)

    def _path(self, content: Content, key: RunKey) -> str:
        return "/".join(self._place(content, key))


def _append(draft: Draft, data: bytes, target: str) -> None:
    try:
        draft.write(data)
    except OSError as error:
        raise unavailable(target, error) from error


def _open(path: str) -> bytes | OpenFile | None:
    try:
        file = OpenFile(path)
        if file.size > PIECE_BYTES:
            return file
        body = file.read(0)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unavailable(path, error) from error
    file.close()
    return body


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unavailable(path, error) from error


def _delete(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unavailable(path, error) from error


def _check(path: Path) -> None:
    try:
        room = os.statvfs(path).f_bavail
    except OSError as error:
        raise unavailable(path, error) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UnavailableError(f"{path}: can't be written")
    if room == 0:
        raise UnavailableError(f"{path}: no space left on its disk")
