"""What dashboards share that show chosen clusters."""

from tools.dashboards.panels import Panel, Query, Variable

HERE = 'cluster=~"$cluster"'

CLUSTER = Variable(
    name="cluster",
    label="Cluster",
    query="label_values(nexus_scheduler_launch_rate, cluster)",
)

OLDEST_WAIT = Panel(
    title="Oldest wait",
    says="Since the run was accepted whose turn is next. Alert: NexusRunsWaitLong.",
    queries=(
        Query(f"max by (cluster) (nexus_scheduler_oldest_wait_seconds{{{HERE}}})", "{{cluster}}"),
    ),
    unit="s",
)
