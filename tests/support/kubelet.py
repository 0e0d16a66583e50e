"""What a kubelet does to start a pod, but for the container: it is a process of this machine.

Its command, arguments, variables, files and token are those of the pod, with two differences: where
the pod has a file, the process has it in a folder of the test's, and is told so; and it listens
on an address of its own where the pod listens on all of its network. No user, no limit and no
read-only file system is enforced.
"""

import asyncio
import base64
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from nexus_core.adapters.kubernetes.connection import Connection
from support.caller import PATIENCE
from support.charts import Object
from support.custom_resources import told

_REFERENCE = re.compile(r"\$\((\w+)\)")


@dataclass(frozen=True)
class StartedPod:
    """A process in the place of a pod."""

    name: str
    process: asyncio.subprocess.Process
    readiness: str
    """What its probe asks, if it has one."""
    root: Path
    """Where it was started; a pod can't write there."""
    log: Path

    async def ready(self, session: aiohttp.ClientSession) -> None:
        """Wait until its probe would let it serve."""
        async with asyncio.timeout(PATIENCE):
            while not await self._answers(session):
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)  # a process tells nobody when it is ready

    async def ends(self) -> int:
        """Wait until it has ended; return its exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def stop(self) -> int:
        """Tell it to end, as a kubelet does; return its exit code."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        return await self.ends()

    def lines(self, word: str) -> list[str]:
        """Return the lines of its log that have a word."""
        return [line for line in self.log.read_text().splitlines() if word in line]

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(self.readiness) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@dataclass(frozen=True)
class Kubelet:
    """Starts the pods of one test, all on one address."""

    connection: Connection
    """Of an administrator: it reads what pods mount, and asks for their tokens."""
    api_server: str
    address: str
    folder: Path
    started: list[StartedPod] = field(default_factory=list)

    async def start(self, name: str, namespace: str, pod: Object) -> StartedPod:
        """Start a pod of one container by its spec."""
        (container,) = pod["containers"]
        # Another each time: one that ends is started again.
        room = self.folder / namespace / f"{name}-{len(self.started)}"
        volumes: dict[str, Path] = {}
        for volume in pod.get("volumes", []):
            filled = volumes[volume["name"]] = room / "volumes" / volume["name"]
            for path, content in (await self._contents(volume, namespace, pod)).items():
                (filled / path).parent.mkdir(parents=True, exist_ok=True)
                (filled / path).write_bytes(content)
            filled.mkdir(parents=True, exist_ok=True)
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        moved = self._mover({path: str(volumes[name]) for path, name in mounts.items()})
        for volume in pod.get("volumes", []):
            if "configMap" in volume:
                for file in volumes[volume["name"]].iterdir():
                    file.write_text(moved(file.read_text()))
        environment = await self._environment(container, namespace, name)
        root = room / "root"
        root.mkdir()
        log = room / "log"
        with log.open("wb") as printed:
            process = await asyncio.create_subprocess_exec(
                Path(sys.executable).with_name(_program_of(container)),
                *(moved(argument) for argument in container["args"]),
                cwd=root,
                env={
                    "PATH": os.environ["PATH"],
                    "TMPDIR": moved("/tmp"),  # noqa: S108 - the pod's
                    **{variable: moved(value) for variable, value in environment.items()},
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
            )
        pod_started = StartedPod(name, process, self._readiness(container), root, log)
        self.started.append(pod_started)
        return pod_started

    async def renew_token(self, pod: StartedPod, namespace: str, account: str) -> None:
        """Put another token in the place of a pod's, which it finds in its file."""
        source = {"serviceAccountToken": {"expirationSeconds": 3600}}
        token = await self._token(namespace, account, source)
        (pod.root.parent / "volumes/service-account/token").write_bytes(token)

    async def end(self) -> None:
        """Kill all that still run."""
        for pod in self.started:
            if pod.process.returncode is None:
                pod.process.kill()
                await pod.process.wait()

    def _mover(self, folders: dict[str, str]) -> Callable[[str], str]:
        """Return what puts a process's own folders, and its own address, into a text."""
        places = {**folders, "0.0.0.0": self.address}  # noqa: S104 - the pod's
        longest_first = sorted(places, key=len, reverse=True)
        found = re.compile("|".join(rf"{re.escape(place)}(?![\w.-])" for place in longest_first))
        return lambda text: found.sub(lambda match: places[match[0]], text)

    def _readiness(self, container: Object) -> str:
        if "readinessProbe" not in container:
            return ""
        probe = container["readinessProbe"]["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        return f"http://{self.address}:{ports[probe['port']]}{probe['path']}"

    async def _environment(self, container: Object, namespace: str, name: str) -> dict[str, str]:
        server = urlsplit(self.api_server)
        fields = {
            "status.podIP": self.address,
            "metadata.name": f"{name}-{namespace}",
            "metadata.namespace": namespace,
        }
        environment = {
            "KUBERNETES_SERVICE_HOST": str(server.hostname),
            "KUBERNETES_SERVICE_PORT": str(server.port),
        }
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "fieldRef" in source:
                value = fields[source["fieldRef"]["fieldPath"]]
            elif "secretKeyRef" in source:
                secret = await self._secret(namespace, source["secretKeyRef"]["name"])
                value = secret[source["secretKeyRef"]["key"]].decode()
            else:
                value = _REFERENCE.sub(lambda one: environment[one[1]], variable["value"])
            environment[variable["name"]] = value
        return environment

    async def _contents(self, source: Object, namespace: str, pod: Object) -> dict[str, bytes]:
        """Return the files of a volume, or of one source of a projected one, by their paths."""
        if "projected" in source:
            parts = [
                await self._contents(part, namespace, pod)
                for part in source["projected"]["sources"]
            ]
            return {path: content for part in parts for path, content in part.items()}
        if "serviceAccountToken" in source:
            token = await self._token(namespace, pod["serviceAccountName"], source)
            return {source["serviceAccountToken"]["path"]: token}
        if "configMap" in source:
            name = source["configMap"]["name"]
            found = await self._get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
            content = {key: text.encode() for key, text in found["data"].items()}
            return dict(_chosen(content, source["configMap"]))
        if "secret" in source:
            content = await self._secret(namespace, source["secret"]["secretName"])
            return dict(_chosen(content, source["secret"]))
        assert "emptyDir" in source, source
        return {}

    async def _token(self, namespace: str, account: str, source: Object) -> bytes:
        seconds = source["serviceAccountToken"]["expirationSeconds"]
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = msgspec.json.encode(request)
        answer = told(await self.connection.request("POST", path, body=body))
        return str(answer["status"]["token"]).encode()

    async def _secret(self, namespace: str, name: str) -> dict[str, bytes]:
        found = await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return {key: base64.b64decode(value) for key, value in found["data"].items()}

    async def _get(self, path: str) -> dict[str, Any]:
        return told(await self.connection.request("GET", path))


def _chosen(content: dict[str, bytes], source: Object) -> Iterator[tuple[str, bytes]]:
    """Go through what a volume shows of a config map or a secret."""
    items = source.get("items") or [{"key": key, "path": key} for key in content]
    for item in items:
        yield item["path"], content[item["key"]]


def _program_of(container: Object) -> str:
    """Return the name of what a container runs: by its own command, or its image's."""
    if "command" in container:
        (command,) = container["command"]
        return str(command)
    repository, _, _ = str(container["image"]).rpartition("/")[2].partition(":")
    return repository
