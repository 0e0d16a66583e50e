"""Asking a service of this machine for its health: the programs `nexus-<service>-health`.

A container's engine runs it again and again, so it imports no more than the settings.
"""

import argparse
import http.client
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from nexus_core.domain.errors import NexusError
from nexus_core.settings.loader import FILE_VARIABLE, load
from nexus_core.settings.sections import Listen, ServiceSettings

S = TypeVar("S", bound=ServiceSettings)

# Parts are asked for 0.8 s at most before `/readyz` answers; engines give a check some seconds.
_TIMEOUT_SECONDS = 3.0

# Who listens on all addresses is asked on this machine's own.
_OWN = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here


def run_health(name: str, kind: type[S], listeners: Callable[[S], Iterable[Listen]]) -> int:
    """Ask a service, where its settings say that it listens; return the exit code of the process.

    0: it lives, or with `--ready` takes requests; 1: it does not, or can't be asked, said in a
    line.

    Args:
        name: of this program.
        kind: the settings of the service.
        listeners: the addresses that are asked, each of which has to answer.
    """
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--config", type=Path, help=f"YAML file of settings (or {FILE_VARIABLE})")
    parser.add_argument(
        "--ready",
        action="store_true",
        help="ask whether it takes requests, and not only whether it lives",
    )
    arguments = parser.parse_args()
    path = "/readyz" if arguments.ready else "/livez"
    try:
        addresses = listeners(load(kind, file=arguments.config))
    except NexusError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - what an engine keeps of a check
        return 1
    problems = [problem for address in addresses if (problem := _problem(address, path))]
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201 - likewise
    return 1 if problems else 0


def _problem(address: Listen, path: str) -> str:
    """Return what an address answers that is no yes; empty when it is one."""
    host = _OWN.get(address.host, address.host)
    connection = http.client.HTTPConnection(host, address.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"{host}:{address.port}{path}: {error}"
    finally:
        connection.close()
    if answer.status == HTTPStatus.OK:
        return ""
    return f"{host}:{address.port}{path} answers {answer.status}: {content}"
