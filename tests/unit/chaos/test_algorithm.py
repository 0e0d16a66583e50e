"""What runs of the chaos load compute: a client that heeds the length of what it is answered."""

import asyncio
from pathlib import Path

import msgspec

from support.caller import inherited_environment

_PAYLOAD = b'{"label":"order-1","act":"complete","pause":"0"}'


def _answer(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


async def test_an_answer_that_is_cut_off_is_asked_for_again(tmp_path: Path) -> None:
    whole = _answer(b"200 OK", _PAYLOAD)
    script = [whole[:30], whole.removesuffix(_PAYLOAD), whole[:-1], whole]
    completions = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET"):
            writer.write(script.pop(0))
        else:
            completions.append(await reader.readuntil(b"}"))
            writer.write(_answer(b"202 Accepted", b""))
        writer.close()
        await writer.wait_closed()

    (tmp_path / "job.json").write_text('{"record":{"uid":"a-uid"}}')
    history = tmp_path / "algorithms.jsonl"
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with (tmp_path / "attempt-0.log").open("wb") as printed:
            process = await asyncio.create_subprocess_exec(
                *("bash", "tests/chaos/algorithm.sh"),
                env={
                    **inherited_environment(),
                    "CHAOS_ALGORITHMS": str(history),
                    "NEXUS__ALGORITHM_NAME": "completes",
                    "NEXUS__REQUEST_ID": "a-run",
                    "NEXUS__PAYLOAD_URL": f"{url}/payload",
                    "NEXUS__RECEIVER_URL": url,
                },
                stdout=printed,
                stderr=printed,
            )
            assert await process.wait() == 0

    _, read = map(msgspec.json.decode, history.read_bytes().splitlines())
    assert (read["type"], read["label"]) == ("PayloadRead", "order-1")
    assert completions == [b'{"resultUri":"s3a://chaos/order-1"}']
    assert not script
