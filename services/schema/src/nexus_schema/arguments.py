"""What can be typed."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from nexus_core import __version__
from nexus_core.composition.cql_schema import PHASES, NewKeyspace
from nexus_core.domain.durations import parse_duration
from nexus_core.domain.errors import InvalidInputError
from nexus_core.settings.loader import FILE_VARIABLE


class Arguments(Struct, frozen=True, kw_only=True):
    """A command line, read."""

    applies: bool
    """Whether to apply; otherwise to check."""
    config: Path | None
    phases: tuple[str, ...] = PHASES
    new_keyspace: NewKeyspace | None = None
    wait: float = 0.0
    """Seconds."""


def parse(argv: Sequence[str] | None = None) -> Arguments:
    """Read the command line; ends the process, with 2, when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="nexus-schema",
        description="Makes and checks the tables of the checkpoint store.",
        epilog="Ends with 0: as it should be; 1: the schema is not fit, or can't be made so; "
        "2: a setting or an argument is wrong; 3: the store can't be reached.",
    )
    parser.add_argument("--version", action="version", version=f"nexus-schema {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser("apply", help="run the steps that have not run yet")
    check = commands.add_parser("check", help="say how each step stands; changes nothing")
    for command in (apply, check):
        command.add_argument(
            "--config", type=Path, help=f"YAML file of settings (or {FILE_VARIABLE})"
        )
    _add_options(apply)
    given = parser.parse_args(argv)
    if given.command == "check":
        return Arguments(applies=False, config=given.config)
    keyspace = NewKeyspace(given.replication, not given.without_tablets)
    return Arguments(
        applies=True,
        config=given.config,
        phases=(given.phase,) if given.phase else PHASES,
        new_keyspace=keyspace if given.create_keyspace else None,
        wait=given.wait,
    )


def _add_options(apply: argparse.ArgumentParser) -> None:
    apply.add_argument(
        "--phase",
        choices=PHASES,
        help="pre: before services of this release start; post: when none of an earlier one runs "
        "any more; both by default",
    )
    apply.add_argument(
        "--create-keyspace", action="store_true", help="make the keyspace, where there is none"
    )
    apply.add_argument(
        "--replication",
        default="3",
        help="of a keyspace that is made: copies in each data centre (3, the default), or "
        "dc1=3,dc2=2, or single-region for Amazon Keyspaces",
    )
    apply.add_argument(
        "--without-tablets",
        action="store_true",
        help="make the keyspace without tablets, for Scylla whose tablets have no transactions",
    )
    apply.add_argument(
        "--wait",
        type=_seconds,
        default=300.0,
        metavar="DURATION",
        help="how long to wait for another that applies: 5m by default",
    )


def _seconds(text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
