"""A standalone that can't start says why in one line, and ends."""

import asyncio
import sys
from pathlib import Path

from support.caller import REPOSITORY
from support.standalone import Standalone


async def _refusal(standalone: Standalone, **settings: str) -> str:
    """Start a standalone that must not start; return the line that it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nexus_standalone",
        cwd=REPOSITORY,
        env=standalone.environment(**settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    assert process.returncode == 2
    assert output == b""
    lines = errors.decode().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


async def test_a_taken_port_is_one_line(standalone: Standalone) -> None:
    await standalone.start()
    line = await _refusal(standalone)
    assert f"{standalone.host}:{standalone.ports['SCHEDULER']} is taken" in line


async def test_data_in_use_by_another_standalone_are_one_line(standalone: Standalone) -> None:
    await standalone.start()
    line = await _refusal(
        standalone,
        NEXUS__SCHEDULER__LISTEN__PORT="0",
        NEXUS__RECEIVER__LISTEN__PORT="0",
        NEXUS__SUPERVISOR__LISTEN__PORT="0",
    )
    assert str(standalone.folder / "data") in line


async def test_a_folder_that_cant_be_used_is_one_line(
    standalone: Standalone, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    line = await _refusal(standalone, NEXUS__DATA_PATH=str(in_the_way / "data"))
    assert "NEXUS__DATA_PATH" in line


async def test_a_missing_catalogue_is_one_line(standalone: Standalone, tmp_path: Path) -> None:
    line = await _refusal(standalone, NEXUS__CATALOGUE__PATHS=str(tmp_path / "absent"))
    assert str(tmp_path / "absent") in line


async def test_an_unknown_setting_is_one_line(standalone: Standalone) -> None:
    line = await _refusal(standalone, NEXUS__LOG_LEVLE="debug")
    assert "NEXUS__LOG_LEVLE" in line
    assert "NEXUS__LOG_LEVEL" in line


async def test_a_bad_setting_is_one_line_that_says_what_it_may_be(standalone: Standalone) -> None:
    line = await _refusal(standalone, NEXUS__LOG_LEVEL="loud")
    assert "log-level" in line
    assert "NEXUS__LOG_LEVEL" in line


async def test_records_that_go_too_early_are_one_line(standalone: Standalone) -> None:
    # At this level a scheduler that listened before would have told of it.
    line = await _refusal(standalone, NEXUS__LOG_LEVEL="info", NEXUS__RETENTION__RECORDS="2h")
    assert "retention.records (NEXUS__RETENTION__RECORDS): must be 24h or more" in line
