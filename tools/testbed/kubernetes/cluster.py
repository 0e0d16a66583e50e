"""A whole cluster: control plane, controllers, scheduler, and KWOK for its nodes and pods."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from tools.testbed.builds import Say
from tools.testbed.certificates import Authority
from tools.testbed.errors import TestbedError, with_log
from tools.testbed.kubernetes import flags, furniture, kubeconfig, printed
from tools.testbed.kubernetes.api import Api
from tools.testbed.kubernetes.binaries import Binaries
from tools.testbed.kubernetes.control_plane import ADMINISTRATORS, ControlPlane
from tools.testbed.kubernetes.stages import stages
from tools.testbed.ports import free_ports
from tools.testbed.processes import Process, start, stop_all

_BEGINNING_SECONDS = 60.0
_STOP_SECONDS = 5.0
_BETWEEN_LOOKS = 0.1
_TOKEN_SECONDS = 365 * 24 * 3600
_ACCOUNTS = f"/api/v1/namespaces/{furniture.DEPLOY_NAMESPACE}/serviceaccounts"
_RIGHTS = "/apis/rbac.authorization.k8s.io/v1"
_PROOF = "/apis/batch/v1/namespaces/default/jobs"


class Kubeconfigs(NamedTuple):
    """The files by which clients log in."""

    administrator: Path
    account: Path
    """May do what the services need, in all namespaces of `furniture`."""
    stranger: Path
    """Is known, and may do nothing."""
    expired: Path
    """A client certificate whose time is over."""
    shards: Path
    """A folder: `shard-0.kubeconfig`, `shard-1.kubeconfig`; one cluster, two namespaces."""


class Cluster:
    """A cluster on its own folder and ports."""

    def __init__(
        self, folder: Path, authority: Authority | None = None, *, durable: bool = False
    ) -> None:
        """As for a control plane."""
        self.control_plane = ControlPlane(folder, authority, durable=durable)
        self._folder = folder
        self._authority = self.control_plane.authority
        (self._kwok_port,) = free_ports(1)
        self._controllers: list[Process] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """All processes: etcd, API server, controllers, scheduler, KWOK."""
        return (*self.control_plane.pids, *(process.pid for process in self._controllers))

    async def start(self, cache: Path | None = None, say: Say = print) -> Kubeconfigs:
        """Start all of it, furnish it, and see a Job through.

        Args:
            cache: Where the programs are, or are built; that of the environment by default.
            say: Told when they are built.

        Raises:
            TestbedError: Something died or did not become ready; names the log.
        """
        self._start_controllers(await self.control_plane.start(cache, say))
        async with self.control_plane.api() as api:
            await _furnish(api)
            await self._prove(api)
            return await self._kubeconfigs(api)

    async def stop(self) -> None:
        """End all of it. Idempotent."""
        await stop_all(self._controllers, _STOP_SECONDS)
        await self.control_plane.stop()

    def _start_controllers(self, binaries: Binaries) -> None:
        login = {
            name: self.control_plane.kubeconfig_of(
                name, self._authority.issue(f"system:{name}", organization=ADMINISTRATORS)
            )
            for name in ("kube-controller-manager", "kube-scheduler", "kwok")
        }
        scheduler, kwok = self._folder / "scheduler.yaml", self._folder / "kwok.yaml"
        _write_yaml(scheduler, [flags.scheduler_configuration(login["kube-scheduler"])])
        _write_yaml(kwok, [flags.kwok_configuration(), *stages(), self._logs()])
        commands = {
            "kube-controller-manager": flags.controller_manager(
                binaries, login["kube-controller-manager"], self.control_plane.secrets
            ),
            "kube-scheduler": flags.scheduler(binaries, scheduler),
            "kwok": flags.kwok(binaries, login["kwok"], kwok, self._kwok_port),
        }
        self._controllers = [
            start(name, command, self._folder) for name, command in commands.items()
        ]

    def _logs(self) -> dict[str, object]:
        """Write down what pods have printed; return what lets KWOK tell it of each."""
        file = self._folder / "printed.log"
        file.write_text(printed.log())
        return printed.of_every_pod(file)

    async def _prove(self, api: Api) -> None:
        """Have a Job run to its end: no health check says as much."""
        await self._until(api, "/api/v1/namespaces/default/serviceaccounts/default")
        await api.create(_PROOF, furniture.proof())
        await self._until(api, f"{_PROOF}/proof", "succeeded")
        await api.delete(f"{_PROOF}/proof")

    async def _until(self, api: Api, path: str, field: str | None = None) -> None:
        """Wait until a resource is there, with a field of its status neither empty nor 0."""
        give_up = time.monotonic() + _BEGINNING_SECONDS
        while True:
            found = await api.get(path)
            if found is not None and (field is None or found.get("status", {}).get(field)):
                return
            for process in self._controllers:
                if not process.alive():
                    raise with_log(f"{process.name} died at its start", process.log)
            if time.monotonic() >= give_up:
                sought = f"{field} of {path}" if field else path
                raise TestbedError(
                    f"there is no {sought} after {_BEGINNING_SECONDS:.0f} s; see {self._folder}"
                )
            await asyncio.sleep(_BETWEEN_LOOKS)

    async def _kubeconfigs(self, api: Api) -> Kubeconfigs:
        token = await _token(api, furniture.ACCOUNT)
        expired = self._authority.issue(
            "expired-administrator", organization=ADMINISTRATORS, expired=True
        )
        shards = self._folder / "shards"
        for number, namespace in enumerate((furniture.NAMESPACE, furniture.SECOND_NAMESPACE)):
            self._write_with_token(shards / f"shard-{number}.kubeconfig", token, namespace)
        return Kubeconfigs(
            self.control_plane.kubeconfig,
            self._write_with_token(self._folder / "nexus.kubeconfig", token),
            self._write_with_token(
                self._folder / "stranger.kubeconfig", await _token(api, furniture.STRANGER)
            ),
            self.control_plane.kubeconfig_of("expired", expired),
            shards,
        )

    def _write_with_token(
        self, path: Path, token: str, namespace: str = furniture.NAMESPACE
    ) -> Path:
        content = kubeconfig.with_token(
            self.control_plane.endpoint, token, cluster=path.stem, namespace=namespace
        )
        return kubeconfig.write(path, content)


async def _furnish(api: Api) -> None:
    for namespace in furniture.namespaces():
        await api.create("/api/v1/namespaces", namespace)
        name = namespace["metadata"]["name"]
        await api.create(f"{_RIGHTS}/namespaces/{name}/rolebindings", furniture.binding())
    await api.create(f"{_RIGHTS}/clusterroles", furniture.role())
    for account in furniture.accounts():
        await api.create(_ACCOUNTS, account)
    for node in furniture.nodes():
        await api.create("/api/v1/nodes", node)


async def _token(api: Api, account: str) -> str:
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _TOKEN_SECONDS},
    }
    answer = await api.create(f"{_ACCOUNTS}/{account}/token", request)
    token: str = answer["status"]["token"]
    return token


def _write_yaml(path: Path, documents: Sequence[Mapping[str, object]]) -> None:
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False, width=1000))
