from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_core.adapters.folder.yaml_documents import MAX_BYTES, YamlProblemError, read_documents


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("", []),
        ("# nothing\n", []),
        ("---\n---\na: 1\n---\n", [{"a": 1}]),
        ("a: 1\n---\nb: two\n", [{"a": 1}, {"b": "two"}]),
        ("\ufeffa: 1", [{"a": 1}]),
        ("day: 2026-01-01", [{"day": "2026-01-01"}]),
        ("at: 2026-01-01T00:00:00Z", [{"at": "2026-01-01T00:00:00Z"}]),
        ("yes: no", None),
        ("a: &x {b: 1}\nc: *x", [{"a": {"b": 1}, "c": {"b": 1}}]),
        ("a: &x {b: 1}\nc: {<<: *x, b: 2}", [{"a": {"b": 1}, "c": {"b": 2}}]),
        ("a: !!str 1", [{"a": "1"}]),
    ],
)
def test_reads_plain_data(text: str, documents: list[Any] | None) -> None:
    if documents is None:
        with pytest.raises(YamlProblemError, match="a key must be text; put it into quotes"):
            read_documents(text.encode())
    else:
        assert read_documents(text.encode()) == documents


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: [", "line "),
        ("a:\n\t- b", "line 2: found character"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is there twice"),
        ("x:\n  a: 1\n  a: 3", "line 3: the key 'a' is there twice"),
        ("1: a", "line 1: a key must be text"),
        ("[a]: b", "line 1: a key must be text"),
        ("a: *nobody", "line 1: found undefined alias"),
        ("a: &a [*a]", "line 1: more than"),
        ("a: !!python/object/apply:os.system [true]", "line 1: the tag"),
        ("a: !!binary aGVsbG8=", "line 1: the tag"),
        ("a: !!timestamp 2026-01-01", "line 1: the tag"),
        ("a: !!set {b}", "line 1: the tag"),
        ("a: !own b", "line 1: the tag"),
        ("a: .nan", "line 1: a number must be finite"),
        ("a: -.inf", "line 1: a number must be finite"),
        ("a: 1.0e+999", "line 1: a number must be finite"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
        ("a: \x01", "control characters are not allowed"),
        ("[" * 65, "nested deeper than 64 levels"),
        ("- " * 65, "nested deeper than 64 levels"),
        ("{a: " * 65, "nested deeper than 64 levels"),
    ],
)
def test_says_what_is_no_plain_data(text: str, problem: str) -> None:
    with pytest.raises(YamlProblemError) as refusal:
        read_documents(text.encode())
    assert problem in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_refuses_what_its_aliases_blow_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(YamlProblemError, match="more than 100000 values"):
        read_documents("\n".join(lines).encode())


def test_refuses_a_depth_that_would_crash_the_parser_without_reading_on() -> None:
    with pytest.raises(YamlProblemError, match="nested deeper"):
        read_documents(b"[" * (MAX_BYTES - 1))


def test_refuses_what_is_no_text() -> None:
    with pytest.raises(YamlProblemError, match="must be UTF-8; byte 3 is not"):
        read_documents(b"a: \xff")


def test_refuses_more_than_a_cluster_would_take() -> None:
    with pytest.raises(YamlProblemError, match="must be at most 1048576 bytes"):
        read_documents(b"#" * (MAX_BYTES + 1))


YAMLISH = st.text(alphabet="ab: -[]{}&*!|>'\"#\n\t\\?,%@", max_size=80).map(str.encode)


@given(YAMLISH | st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        documents = read_documents(content)
    except YamlProblemError:
        return
    assert None not in documents
