"""Credentials from a program that a kubeconfig names, by the protocol of `client-go`."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from nexus_core.domain.errors import UnavailableError

# A plug-in may log in over the network; one that waits for a person waits for ever.
_PATIENCE_SECONDS = 30.0
# Of what a failing plug-in says: enough to know why, little enough for one line.
_LONGEST_COMPLAINT = 300


class ExecVariable(msgspec.Struct, frozen=True):
    """A variable that the plug-in is given."""

    name: str
    value: str = ""


class ExecConfig(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The section `exec` of a user."""

    api_version: str
    command: str
    args: list[str] | None = None
    env: list[ExecVariable] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False


class ExecCredential(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a plug-in hands out: a token, a client certificate, or both."""

    token: str = ""
    expiration_timestamp: datetime | None = None
    client_certificate_data: str = ""
    """PEM, not encoded further."""
    client_key_data: str = ""


class _Output(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    api_version: str
    status: ExecCredential


async def ask_plugin(
    config: ExecConfig, folder: Path, cluster: Mapping[str, Any]
) -> ExecCredential:
    """Run a plug-in and return what it hands out.

    Args:
        config: what to run, and how.
        folder: where a relative command is found from: the kubeconfig's.
        cluster: told to a plug-in that asks for it.

    Raises:
        UnavailableError: it can't be run, fails, takes too long or talks nonsense; as a clause that
            names the command.
    """
    command = config.command
    if os.sep in command:
        command = str(folder / command)
    process = await _start(config, command, _environment(config, cluster))
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            output, complaint = await process.communicate()
    except TimeoutError as error:
        raise UnavailableError(
            f"exec plug-in '{config.command}' did not end within {_PATIENCE_SECONDS:g} s"
        ) from error
    finally:
        await _end(process)
    if process.returncode != 0:
        said = " ".join(complaint.decode(errors="replace").split())[:_LONGEST_COMPLAINT]
        raise UnavailableError(
            f"exec plug-in '{config.command}' failed with exit code {process.returncode}"
            + (f": {said}" if said else "")
        )
    return _read(config, output)


async def _start(
    config: ExecConfig, command: str, environment: dict[str, str]
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            command,
            *(config.args or ()),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # A group of its own, so that what it started can be ended with it.
            start_new_session=True,
        )
    except OSError as error:
        hint = " ".join(config.install_hint.split())
        raise UnavailableError(
            f"exec plug-in '{config.command}' can't be run: {error.strerror}"
            + (f" ({hint})" if hint else "")
        ) from error


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _environment(config: ExecConfig, cluster: Mapping[str, Any]) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": False}
    if config.provide_cluster_info:
        spec["cluster"] = cluster
    info = {"apiVersion": config.api_version, "kind": "ExecCredential", "spec": spec}
    return {
        **os.environ,
        **{variable.name: variable.value for variable in config.env or ()},
        "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode(),
    }


def _read(config: ExecConfig, output: bytes) -> ExecCredential:
    try:
        answer = msgspec.json.decode(output, type=_Output)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnavailableError(
            f"exec plug-in '{config.command}' did not print an ExecCredential: {error}"
        ) from error
    if answer.api_version != config.api_version:
        raise UnavailableError(
            f"exec plug-in '{config.command}' speaks {answer.api_version}, not {config.api_version}"
        )
    status = answer.status
    if not status.token and not (status.client_certificate_data and status.client_key_data):
        raise UnavailableError(
            f"exec plug-in '{config.command}' printed neither a token nor a certificate and its key"
        )
    return status
