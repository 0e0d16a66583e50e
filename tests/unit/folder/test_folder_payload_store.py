import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from support.clock import ManualClock

LARGE = b"x" * 1_000_000


def a_key() -> RunKey:
    return RunKey("hello-world", str(uuid.uuid4()))


def opened(root: Path) -> AbstractAsyncContextManager[FolderPayloadStore]:
    urls = SignedUrls("http://127.0.0.1:8080", b"a secret of tests")
    return FolderPayloadStore.open(root, urls, ManualClock())


def drafts(root: Path) -> list[Path]:
    return list((root / ".incoming").iterdir())


async def test_content_lies_where_the_contract_says(tmp_path: Path) -> None:
    key = a_key()
    async with opened(tmp_path) as store:
        await store.put(Content.PAYLOAD, key, b"question")
        await store.put(Content.RESULT, key, b"answer")
    folder = tmp_path / "algorithm=hello-world"
    assert (folder / key.request_id).read_bytes() == b"question"
    assert (folder / f"{key.request_id}.result").read_bytes() == b"answer"
    assert drafts(tmp_path) == []


async def test_what_a_crash_left_behind_is_removed_at_the_next_start(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    (tmp_path / ".incoming" / "half-written").write_bytes(b"hal")
    async with opened(tmp_path):
        assert drafts(tmp_path) == []


async def test_what_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path):
        (tmp_path / ".incoming" / "being-written").write_bytes(b"hal")
        async with opened(tmp_path):
            assert len(drafts(tmp_path)) == 1


async def test_a_stream_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield LARGE
        raise ConnectionResetError

    async with opened(tmp_path) as store:
        with pytest.raises(ConnectionResetError):
            await store.put(Content.RESULT, a_key(), broken())
    assert drafts(tmp_path) == []


@pytest.mark.parametrize("body", [b"small", LARGE])
async def test_a_file_in_the_way_is_named(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "algorithm=hello-world").write_bytes(b"not a folder")
    async with opened(tmp_path) as store:
        for _ in range(2):
            with pytest.raises(UnavailableError, match=r"algorithm=hello-world.*: Not a directory"):
                await store.put(Content.PAYLOAD, a_key(), body)
        with pytest.raises(UnavailableError, match="Not a directory"):
            await store.get(Content.PAYLOAD, a_key())
    assert drafts(tmp_path) == []


async def test_one_that_fails_does_not_take_its_group_along(tmp_path: Path) -> None:
    keys = [a_key() for _ in range(8)]
    (tmp_path / "algorithm=hello-world" / keys[3].request_id).mkdir(parents=True)
    async with opened(tmp_path) as store:
        outcomes = await asyncio.gather(
            *(store.put(Content.PAYLOAD, key, b"x") for key in keys), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [
            UnavailableError if number == 3 else type(None) for number in range(8)
        ]
        assert await store.size(Content.PAYLOAD, keys[7]) == 1
    assert drafts(tmp_path) == []


async def test_one_who_is_cancelled_does_not_take_the_group_along(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        keys = [a_key() for _ in range(8)]
        puts = [asyncio.create_task(store.put(Content.PAYLOAD, key, b"x")) for key in keys]
        await asyncio.sleep(0)
        puts[0].cancel()
        outcomes = await asyncio.gather(*puts, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert outcomes[1:] == [None] * 7


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    key = a_key()
    async with opened(tmp_path) as store:
        put = asyncio.create_task(store.put(Content.PAYLOAD, key, b"last"))
        await asyncio.sleep(0)
    await put
    async with opened(tmp_path) as store:
        assert await store.size(Content.PAYLOAD, key) == 4


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        pass
    with pytest.raises(UnavailableError, match="closed"):
        await store.put(Content.PAYLOAD, a_key(), b"x")


async def test_a_folder_that_cannot_be_made_stops_the_start_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError, match=r"file/payloads/\.incoming: Not a directory"):
        async with opened(tmp_path / "file" / "payloads"):
            pass


async def test_a_folder_that_was_removed_fails_the_ping(tmp_path: Path) -> None:
    root = tmp_path / "payloads"
    async with opened(root) as store:
        await store.ping()
        root.rename(tmp_path / "elsewhere")
        with pytest.raises(UnavailableError, match="payloads"):
            await store.ping()


async def test_urls_lead_to_the_data_routes_of_the_scheduler(tmp_path: Path) -> None:
    key, hour = a_key(), timedelta(hours=1)
    async with opened(tmp_path) as store:
        urls = [
            await store.download_url(Content.PAYLOAD, key, hour, "ZGVhZGJlZWY="),
            await store.download_url(Content.RESULT, key, hour),
            await store.upload_url(Content.RESULT, key, hour),
        ]
        with pytest.raises(ValueError, match="only results are uploaded"):
            await store.upload_url(Content.PAYLOAD, key, hour)
    assert [urlsplit(url).path for url in urls] == [
        f"/data/v1/{door}/hello-world/requests/{key.request_id}"
        for door in ("payloads", "results", "uploads")
    ]
    assert "&chk=ZGVhZGJlZWY%3D" in urls[0]
