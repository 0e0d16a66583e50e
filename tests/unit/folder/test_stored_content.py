"""Going through all that a folder has."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from nexus_core.ports.stored_content import StoredItem
from support.clock import ManualClock

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FolderPayloadStore]:
    urls = SignedUrls("http://127.0.0.1:8080", b"a secret of tests")
    async with FolderPayloadStore.open(tmp_path, urls, ManualClock()) as opened:
        yield opened


async def put(
    store: FolderPayloadStore, root: Path, content: Content, at: datetime, algorithm: str = "tsp"
) -> RunKey:
    key = RunKey(algorithm, str(uuid4()))
    await store.put(content, key, b"x")
    suffix = ".result" if content is Content.RESULT else ""
    path = root / f"algorithm={algorithm}" / f"{key.request_id}{suffix}"
    os.utime(path, (at.timestamp(), at.timestamp()))
    return key


async def before(store: FolderPayloadStore, time: datetime) -> list[StoredItem]:
    return [item async for items in store.stored_before(time) for item in items]


async def test_old_content_of_both_kinds_is_found_and_young_is_not(
    store: FolderPayloadStore, tmp_path: Path
) -> None:
    morning = NOON.replace(hour=9)
    payload = await put(store, tmp_path, Content.PAYLOAD, morning)
    result = await put(store, tmp_path, Content.RESULT, morning, "hello-world")
    await put(store, tmp_path, Content.PAYLOAD, NOON)

    assert sorted(await before(store, NOON)) == [
        StoredItem(Content.PAYLOAD, payload, morning),
        StoredItem(Content.RESULT, result, morning),
    ]


async def test_more_files_than_a_portion_are_all_gone_through(
    store: FolderPayloadStore, tmp_path: Path
) -> None:
    young, old = NOON.timestamp(), NOON.timestamp() - 60
    folder = tmp_path / "algorithm=tsp"
    folder.mkdir()
    for number in range(2500):
        path = folder / str(uuid4())
        path.touch()
        os.utime(path, (young, old if number % 100 == 0 else young))

    assert len(await before(store, NOON)) == 25


async def test_what_others_put_there_is_left_alone(
    store: FolderPayloadStore, tmp_path: Path
) -> None:
    for name in ("notes.txt", "algorithm=tsp/README", f"algorithm=UPPER/{uuid4()}", f"x/{uuid4()}"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))

    assert not await before(store, NOON)


async def test_a_folder_that_can_not_be_read_is_named(
    store: FolderPayloadStore, tmp_path: Path
) -> None:
    (tmp_path / "algorithm=tsp").write_bytes(b"not a folder")

    with pytest.raises(UnavailableError, match="Not a directory"):
        await before(store, NOON)
