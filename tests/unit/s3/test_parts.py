"""Bodies cut into parts: what of them is in memory."""

import tracemalloc
from collections.abc import AsyncIterator

from nexus_core.adapters.s3.uploads import chained, in_parts

PART = 1024**2
CHUNK = PART // 4


async def test_a_part_that_was_taken_is_not_kept_while_the_next_one_is_read() -> None:
    held: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for number in range(16):
            if number % 4 == 0:
                held.append(tracemalloc.get_traced_memory()[0])
            yield number.to_bytes(1, "little") * CHUNK

    tracemalloc.start()
    try:
        parts = in_parts(body(), PART)
        taken = 0
        async for part in chained([await anext(parts), await anext(parts)], parts):
            taken += len(part)
            del part
    finally:
        tracemalloc.stop()
    assert taken == 4 * PART
    # Of a body, its last chunk is still at hand; the first part is held until there is a second.
    before, with_first, *later = held
    assert with_first > before + PART
    assert max(later) < before + PART // 2
