from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_core.domain.journal import LogTail
from nexus_core.domain.log_tail import TailBuffer, last_bytes, last_lines


def end_of(*chunks: bytes, limit: int) -> tuple[str, bool]:
    buffer = TailBuffer(limit)
    for chunk in chunks:
        buffer.add(chunk)
    return buffer.end()


def a_tail(text: str, *, truncated: bool = False) -> LogTail:
    return LogTail(text=text, at=datetime(2026, 1, 1, tzinfo=UTC), pod="try", truncated=truncated)


def test_what_is_short_is_whole() -> None:
    assert end_of(b"one\n", b"two\n", limit=8) == ("one\ntwo\n", False)


def test_of_what_is_long_the_end_is_left() -> None:
    assert end_of(b"one\ntwo\n", b"three\n", limit=8) == ("o\nthree\n", True)


def test_nothing_is_the_end_of_nothing() -> None:
    assert end_of(limit=8) == ("", False)


def test_a_cut_through_a_character_leaves_none_of_it() -> None:
    assert end_of("aü€𝄞z".encode(), limit=4) == ("z", True)


def test_a_character_that_is_broken_by_its_writer_is_replaced() -> None:
    assert end_of(b"\xbfa\xff", limit=64) == ("�a�", False)


def test_what_can_not_be_decoded_takes_no_more_room_either() -> None:
    text, truncated = end_of(b"\xff" * 64, limit=64)

    assert text == "�" * 21
    assert truncated


@given(st.lists(st.binary()), st.integers(1, 40))
def test_the_end_depends_on_what_came_and_not_on_how_it_was_cut(
    chunks: list[bytes], limit: int
) -> None:
    whole = b"".join(chunks)

    text, truncated = end_of(*chunks, limit=limit)

    assert (text, truncated) == end_of(whole, limit=limit)
    assert len(text.encode()) <= limit
    assert whole.decode(errors="replace").endswith(text)
    assert truncated or text == whole.decode(errors="replace")


@pytest.mark.parametrize(
    ("text", "lines", "left"),
    [
        ("one\ntwo\nthree\n", 2, "two\nthree\n"),
        ("one\ntwo\nthree", 2, "two\nthree"),
        ("one\ntwo\n", 1, "two\n"),
        ("one\n\n", 1, "\n"),
        ("one\ntwo\n", 0, ""),
    ],
)
def test_of_more_lines_than_asked_for_the_last_are_left(text: str, lines: int, left: str) -> None:
    assert last_lines(a_tail(text), lines) == a_tail(left, truncated=True)


@pytest.mark.parametrize("text", ["", "\n", "one", "one\ntwo", "one\ntwo\n"])
def test_of_fewer_lines_than_asked_for_all_are_left(text: str) -> None:
    assert last_lines(a_tail(text), 2) == a_tail(text)
    assert last_lines(a_tail(text, truncated=True), 2) == a_tail(text, truncated=True)


def test_no_lines_of_nothing_is_all_of_it() -> None:
    assert last_lines(a_tail(""), 0) == a_tail("")


def test_of_more_bytes_than_asked_for_the_last_are_left() -> None:
    assert last_bytes(a_tail("one\ntwo\n"), 4) == a_tail("two\n", truncated=True)


def test_of_fewer_bytes_than_asked_for_all_are_left() -> None:
    assert last_bytes(a_tail("one\n"), 4) == a_tail("one\n")
