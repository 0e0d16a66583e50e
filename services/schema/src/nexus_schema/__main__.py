"""Entry point: `nexus-schema`."""

import asyncio
import sys

from nexus_core.aio.clock import SystemClock
from nexus_core.composition import cql_schema
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from nexus_core.settings.loader import load
from nexus_core.settings.sections import ServiceSettings
from nexus_core.telemetry.logging import configure_logging
from nexus_schema.arguments import Arguments, parse

FIT = 0
NOT_FIT = 1
WRONG_SETTING = 2
UNREACHABLE = 3


def main() -> None:
    """Run the command; end with its exit code."""
    sys.exit(run(parse()))


def run(arguments: Arguments) -> int:
    """Return the exit code. What goes wrong is one line on standard error."""
    try:
        settings = load(ServiceSettings, file=arguments.config, beside_others=True)
        configure_logging("nexus-schema", settings.log_level, settings.log_format)
        return asyncio.run(_apply(settings, arguments) if arguments.applies else _check(settings))
    except InvalidInputError as error:
        return _ended(WRONG_SETTING, error)
    except cql_schema.UnusableError as error:
        return _ended(NOT_FIT, error)
    except UnavailableError as error:
        return _ended(UNREACHABLE, error)


def _ended(code: int, error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the one line a person reads
    return code


async def _apply(settings: ServiceSettings, arguments: Arguments) -> int:
    await cql_schema.apply(
        settings,
        SystemClock(),
        phases=arguments.phases,
        new_keyspace=arguments.new_keyspace,
        patience=arguments.wait,
        say=_say,
    )
    _say(f"all of phase {' and '.join(arguments.phases)} is applied")
    return FIT


async def _check(settings: ServiceSettings) -> int:
    report = await cql_schema.check(settings)
    width = max((len(step) for step, _ in report.steps), default=0)
    for step, state in report.steps:
        _say(f"{step:{width}}  {state}")
    for problem in report.problems:
        _say(f"problem: {problem}")
    if report.problems:
        _say(f"keyspace '{report.keyspace}' is not fit for this release; run `nexus-schema apply`")
        return NOT_FIT
    _say(f"keyspace '{report.keyspace}' is fit for this release")
    return FIT


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what a person, or the log of a hook, reads


if __name__ == "__main__":
    main()
