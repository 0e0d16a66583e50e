"""Scheduler, receiver and supervisor as they are deployed: a process each, on real servers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from support.apart import Apart
from support.caller import PATIENCE
from tools.testbed.description import (
    CassandraDescription,
    Description,
    KubernetesDescription,
    S3Description,
)
from tools.testbed.nexus import settings_for

SERVICES = ("SCHEDULER", "RECEIVER", "SUPERVISOR")

# As short as it may be: nothing here mends itself, and Jobs fail when they are seconds old.
_PATIENCE = {
    "NEXUS__PATIENCE__IMAGE": "2s",
    "NEXUS__PATIENCE__CONTAINER": "2s",
    "NEXUS__SWEEP__JOB_KEPT_FOR": "0s",
}


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What a deployment stands on."""

    cassandra: CassandraDescription
    s3: S3Description
    kubernetes: KubernetesDescription
    keyspace: str

    def settings(self) -> dict[str, str]:
        """Return the settings that lead there."""
        description = Description(cassandra=self.cassandra, s3=self.s3, kubernetes=self.kubernetes)
        return settings_for(description, self.keyspace)


class Deployment(Apart):
    """Three services that can each be killed and started again."""

    def __init__(self, servers: Servers, session: aiohttp.ClientSession) -> None:
        super().__init__(servers.settings(), session)
        self.servers = servers

    def environment(self, service: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the environment that a service is started in."""
        own = self.release_of(service).known(_PATIENCE) if service == "SUPERVISOR" else {}
        return super().environment(service, {**own, **settings})

    async def start(self, *services: str, **settings: str) -> None:
        """Start some services, or all, and wait until they are ready."""
        await super().start(*(services or SERVICES), **settings)


@asynccontextmanager
async def a_deployment(servers: Servers) -> AsyncIterator[Deployment]:
    """Give a deployment that is not started yet, and end it whatever happens."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        deployment = Deployment(servers, session)
        try:
            yield deployment
        finally:
            await deployment.end()
