"""Logs: JSON lines for machines, colours for a terminal."""

import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    """`console` on a terminal, else `json`."""
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure_logging(
    process: str, level: LogLevel, form: LogFormat, stream: TextIO | None = None
) -> None:
    """Set up logging for the whole process; call it once, before anything logs.

    Lines go to standard error, so that what a command prints stays apart from what it logs.
    Libraries that log through the standard library go the same way.
    """
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    console = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and stream.isatty())
    render = _console(stream) if console else _json(process)
    structlog.configure(
        processors=render,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.processors.add_log_level],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    # Libraries are of interest when something is wrong; their chatter is not.
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def _console(stream: TextIO) -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            # The default shows local variables too, and with them tokens and payloads.
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _json(process: str) -> list[Processor]:
    """Return a single step: two lines a run are written on the hot path."""
    encode = msgspec.json.Encoder(enc_hook=repr).encode
    format_exception = structlog.processors.format_exc_info

    def render(logger: WrappedLogger, level: str, line: EventDict) -> str:
        if "exc_info" in line:
            line = format_exception(logger, level, line)
        line.setdefault("level", level)
        line["timestamp"] = datetime.now(UTC).isoformat()
        line["process"] = process
        return encode(line).decode()

    return [render]
