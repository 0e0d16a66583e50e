"""What the folder payload store asks of the disk before it says that something is stored."""

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from support.clock import ManualClock

SMALL, LARGE = b"question", b"x" * 1_000_000


class Disk:
    """Notes in which order files are synced and renamed; both happen all the same."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, int]] = []
        """What was done to which inode."""
        self._sync, self._rename = os.fsync, os.rename
        patch.setattr(os, "fsync", self._noted_sync)
        patch.setattr(os, "rename", self._noted_rename)

    def _noted_sync(self, descriptor: int) -> None:
        self._sync(descriptor)
        self.events.append(("synced", os.fstat(descriptor).st_ino))

    def _noted_rename(self, source: str, target: str) -> None:
        self._rename(source, target)
        self.events.append(("renamed", inode(Path(target))))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def inode(path: Path) -> int:
    return path.stat().st_ino


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_content_then_its_name_are_on_the_disk_when_it_is_stored(
    disk: Disk, tmp_path: Path, body: bytes, *, streamed: bool
) -> None:
    key = RunKey("hello-world", str(uuid.uuid4()))
    urls = SignedUrls("http://127.0.0.1:8080", b"a secret of tests")
    async with FolderPayloadStore.open(tmp_path, urls, ManualClock()) as store:
        disk.events.clear()
        await store.put(Content.PAYLOAD, key, in_pieces(body) if streamed else body)
        # Before the store is closed, which is too late for who was told that it is stored.
        events = list(disk.events)
    folder = tmp_path / "algorithm=hello-world"
    content, name = inode(folder / key.request_id), inode(folder)
    assert [event for event in events if event[1] in {content, name}] == [
        ("synced", content),
        ("renamed", content),
        ("synced", name),
    ]
    # The folder is new, and so is its own name.
    assert ("synced", inode(tmp_path)) in events
