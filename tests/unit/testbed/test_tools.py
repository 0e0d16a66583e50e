from pathlib import Path

import pytest

from tools.testbed.errors import TestbedError
from tools.testbed.tools import java, tool


def _java_home(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return folder


def test_the_java_of_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = _java_home(tmp_path, "91.0.15")
    monkeypatch.setenv("JAVA_HOME", str(home))

    assert java(91) == f"{home}/bin/java"


def test_a_java_of_another_version_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_java_home(tmp_path / "old", "90.0.1")))
    on_path = _java_home(tmp_path / "new", "91")
    monkeypatch.setenv("PATH", str(on_path / "bin"), prepend=":")

    assert java(91) == f"{on_path}/bin/java"


def test_where_there_is_no_such_java_the_version_is_named() -> None:
    with pytest.raises(TestbedError, match="there is no Java 92"):
        java(92)


def test_a_missing_tool_is_named_with_what_to_install() -> None:
    with pytest.raises(TestbedError, match=r"there is no no-such-tool .* install Tool 3 or newer"):
        tool("no-such-tool", "Tool 3 or newer")
