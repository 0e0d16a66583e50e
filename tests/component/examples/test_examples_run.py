"""Each example, started as its template says, against a Nexus that keeps what it is told."""

import os
import shutil
import signal
from typing import Any

import msgspec
import psutil
import pytest

from support.examples import example_request, example_templates
from support.tiny_nexus import TinyNexus

MEBIBYTE = 1024 * 1024


def a_request(**parameters: Any) -> bytes:
    return msgspec.json.encode({"algorithmParameters": parameters})


async def test_hello_world_greets_whom_its_payload_names(nexus: TinyNexus) -> None:
    run = await nexus.submit("hello-world", example_request("hello-world"))

    assert await run.ended() == (0, "")
    assert run.answer == {"greeting": "Hello, Ada!"}
    assert run.failure == ""


@pytest.mark.parametrize(
    ("algorithm", "parameters", "cause"),
    [
        ("hello-world", {"who": "Ada"}, "a name"),
        ("tsp", {"places": []}, "places must be"),
        ("fan-out", {"numbers": "1, 2"}, "numbers must be"),
    ],
)
async def test_a_payload_that_makes_no_sense_fails_the_run_with_a_cause_and_a_clean_exit(
    nexus: TinyNexus, algorithm: str, parameters: dict[str, Any], cause: str
) -> None:
    run = await nexus.submit(algorithm, a_request(**parameters))

    assert await run.ended() == (0, "")
    assert cause in run.failure
    assert run.result is None


async def test_tsp_finds_the_optimal_tour_of_its_request(nexus: TinyNexus) -> None:
    request = msgspec.json.decode(example_request("tsp"))["algorithmParameters"]

    run = await nexus.submit("tsp", a_request(**{**request, "maxIterations": 200}))

    assert await run.ended() == (0, "")
    assert run.answer["length"] == 7542
    assert run.answer["gapPercent"] == 0
    assert run.answer["iterations"] == 200
    assert sorted(run.answer["tour"], key=int) == [str(number) for number in range(1, 53)]


async def test_fan_out_sums_what_its_children_sum(nexus: TinyNexus) -> None:
    run = await nexus.submit("fan-out", example_request("fan-out"))

    assert await run.ended() == (0, "")
    assert run.answer == {"sum": 55, "children": 4}
    children = [child for child in nexus.runs.values() if child is not run]
    assert [child.plan.parent and child.plan.parent.key for child in children] == [run.key] * 4
    assert sorted(child.answer["sum"] for child in children) == [10, 12, 15, 18]


async def test_fan_out_starts_no_child_without_numbers(nexus: TinyNexus) -> None:
    run = await nexus.submit("fan-out", a_request(numbers=[], parts=3))

    assert await run.ended() == (0, "")
    assert run.answer == {"sum": 0, "children": 0}


async def test_fails_dies_of_its_bug_with_an_exit_code_that_its_template_calls_fatal(
    nexus: TinyNexus,
) -> None:
    run = await nexus.submit("fails", example_request("fails"))

    exit_code, output = await run.ended()

    assert "ZeroDivisionError" in output
    assert run.completions == []
    behaviour = example_templates()["fails"].spec.error_handling_behaviour
    assert behaviour is not None
    assert behaviour.fatal_exit_codes == [exit_code]


async def test_out_of_memory_really_takes_the_memory_it_speaks_of(nexus: TinyNexus) -> None:
    run = await nexus.submit("out-of-memory", example_request("out-of-memory"))

    async for line in run.lines():
        if line == "holding 64 MiB":
            break

    assert psutil.Process(run.pid).memory_info().rss > 64 * MEBIBYTE
    assert run.completions == []


async def test_overstays_deadline_says_nothing_before_its_deadline(nexus: TinyNexus) -> None:
    run = await nexus.submit("overstays-deadline", example_request("overstays-deadline"))

    async for line in run.lines():
        assert line == "sleeping for 60 seconds"
        break

    assert run.completions == []
    environment = example_templates()["overstays-deadline"].spec.runtime_environment
    assert environment is not None
    assert environment.deadline_seconds == 2


async def test_an_algorithm_that_is_told_to_end_does_not_leave_it_to_the_system(
    nexus: TinyNexus,
) -> None:
    run = await nexus.submit("overstays-deadline", example_request("overstays-deadline"))
    async for _ in run.lines():
        break

    os.kill(run.pid, signal.SIGTERM)

    exit_code, output = await run.ended()
    # Of its own accord: the first process of a container would not die of the signal, with -15.
    assert (exit_code, output) == (143, "")


def test_does_not_start_names_a_program_that_is_nowhere() -> None:
    program = example_templates()["does-not-start"].spec.command.split()[0]

    assert shutil.which(program) is None
