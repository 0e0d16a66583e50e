"""A sweeper on its own, so that a test knows when a sweep has ended."""

from prometheus_client import CollectorRegistry

from nexus_core.aio.backoff import Backoff
from nexus_core.aio.throttle import Throttle
from nexus_core.domain.names import RunKey
from nexus_core.operations.launch import Launcher
from nexus_core.operations.settle import Settler
from nexus_core.settings.payloads import BufferConfig
from nexus_supervisor.chronicle import Chronicle
from nexus_supervisor.enforce import Enforcer
from nexus_supervisor.keep_logs import LogKeeper
from nexus_supervisor.metrics import SupervisorMetrics
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.settings import SupervisorSettings, Sweep
from nexus_supervisor.sweep import Sweeper
from support.services import World


class Told:
    """A call back that remembers."""

    def __init__(self) -> None:
        self.runs: list[RunKey] = []

    def finished(self, key: RunKey) -> None:
        self.runs.append(key)


def a_sweeper(
    world: World,
    settings: Sweep | None = None,
    told: Told | None = None,
    config: BufferConfig | None = None,
) -> Sweeper:
    stores, cluster, callback = world.stores, world.cluster, told or Told()
    clusters = {cluster.name: cluster}
    parts = SupervisorParts(
        store=stores.store,
        index=stores.index,
        leases=stores.leases,
        election=stores.election,
        candidate="the sweeper",
        journal=stores.journal,
        retention=stores.retention,
        payloads=stores.payloads,
        stored_content=stores.stored_content,
        clusters=clusters,
        callback=callback,
        clock=world.clock,
    )
    settler = Settler(stores.store, callback)
    metrics = SupervisorMetrics(CollectorRegistry())
    chronicle = Chronicle(stores.journal, cluster.name, world.clock, metrics.stories)
    own = SupervisorSettings(sweep=settings or Sweep())
    keeper = LogKeeper(parts, cluster, own.logs, metrics.stories)
    enforcer = Enforcer(parts, cluster, settler, keeper, metrics.runs, chronicle)
    launcher = Launcher(stores.store, stores.payloads, clusters, settler, world.clock)
    config = config or BufferConfig()
    throttle = Throttle(
        config.rate_limit_elements_per_second,
        config.rate_limit_elements_burst,
        Backoff(config.failure_rate_base_delay, config.failure_rate_max_delay),
        world.clock,
    )
    return Sweeper(parts, cluster, enforcer, launcher, own, throttle)
