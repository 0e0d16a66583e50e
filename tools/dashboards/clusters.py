"""How it goes with each cluster: whether it answers, takes Jobs, and is looked after."""

from tools.dashboards.chosen_cluster import CLUSTER, HERE, OLDEST_WAIT
from tools.dashboards.expressions import quantiles, rate
from tools.dashboards.panels import Dashboard, Panel, Query, Row

_PART = 'part=~"cluster $cluster"'

_THERE = Row(
    title="Is it there",
    panels=(
        Panel(
            title="Not called, since it is away",
            says="1 while schedulers or supervisors leave it alone. Alert: NexusClusterAway.",
            queries=(
                Query(
                    f"max by (part) (nexus_scheduler_circuit_open{{{_PART}}})",
                    "schedulers: {{part}}",
                ),
                Query(
                    f"max by (part) (nexus_supervisor_circuit_open{{{_PART}}})",
                    "supervisors: {{part}}",
                ),
            ),
        ),
        Panel(
            title="Silence",
            says="Since the supervisor heard anything of it, if only that nothing happens. Alert: NexusFeedSilent.",
            queries=(
                Query(
                    f"max by (cluster) (nexus_supervisor_feed_silence_seconds{{{HERE}}})",
                    "{{cluster}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Who leads",
            says="1 for the supervisor that follows the cluster and sweeps. Alert: NexusNoLeader.",
            queries=(Query(f"nexus_supervisor_leads{{{HERE}}}", "{{cluster}}: {{instance}}"),),
        ),
    ),
)

_TAKES = Row(
    title="Does it take Jobs",
    panels=(
        Panel(
            title="Jobs sent",
            says="A second, by all schedulers.",
            queries=(
                Query(
                    rate("nexus_scheduler_launches_total", f'{HERE}, outcome="running"', "cluster"),
                    "{{cluster}}",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            title="The most that is sent",
            says="Jobs a second at most, by all schedulers: the rate limit, and less for a while after a refusal.",
            queries=(
                Query(f"sum by (cluster) (nexus_scheduler_launch_rate{{{HERE}}})", "{{cluster}}"),
            ),
            unit="reqps",
        ),
        Panel(
            title="Refused",
            says="A second; tried again. Alert: NexusLaunchesRefused.",
            queries=(
                Query(
                    rate("nexus_scheduler_launches_total", f'{HERE}, outcome="refused"', "cluster"),
                    "{{cluster}}",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            title="Runs that wait",
            says="In the queues of all schedulers.",
            queries=(
                Query(f"sum by (cluster) (nexus_scheduler_queued_runs{{{HERE}}})", "{{cluster}}"),
            ),
        ),
        OLDEST_WAIT,
        Panel(
            title="Time of a launch",
            says="The API server creates the Job, and the checkpoint store records it.",
            queries=quantiles("nexus_scheduler_launch_duration_seconds", HERE),
            unit="s",
        ),
    ),
)

_LOOKED_AFTER = Row(
    title="Is it looked after",
    panels=(
        Panel(
            title="Since the last sweep",
            says="That ended well. Alert: NexusSweepsStopped.",
            queries=(
                Query(
                    "time() - max by (cluster)"
                    f" (nexus_supervisor_last_sweep_timestamp_seconds{{{HERE}}})",
                    "{{cluster}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Time of a sweep",
            says="It grows with what is open and late, and not with what is stored.",
            queries=quantiles("nexus_supervisor_sweep_duration_seconds", HERE),
            unit="s",
        ),
        Panel(
            title="Jobs missing",
            says="Running runs whose Job the last sweep did not find. Alert: NexusJobsMissing.",
            queries=(
                Query(f"max by (cluster) (nexus_supervisor_missing_jobs{{{HERE}}})", "{{cluster}}"),
            ),
        ),
        Panel(
            title="Late runs submitted",
            says="A second, in their schedulers' place. Alert: NexusRunsLate.",
            queries=(
                Query(
                    rate("nexus_supervisor_submitted_runs_total", HERE, "cluster"), "{{cluster}}"
                ),
            ),
            unit="reqps",
        ),
        Panel(
            title="Settled, by stage",
            says="Runs that ended without their algorithm's word, a second.",
            queries=(
                Query(
                    rate("nexus_supervisor_settled_runs_total", HERE, "cluster, stage"),
                    "{{cluster}} {{stage}}",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            title="Since it told of a Job",
            says="Long, where nothing runs; beside running Jobs it should be short.",
            queries=(
                Query(
                    "time() - max by (cluster)"
                    f" (nexus_supervisor_last_observation_timestamp_seconds{{{HERE}}})",
                    "{{cluster}}",
                ),
            ),
            unit="s",
        ),
    ),
)

CLUSTERS = Dashboard(
    uid="nexus-clusters",
    title="Nexus: clusters",
    says="Whether each cluster answers, takes Jobs, and is looked after.",
    variables=(CLUSTER,),
    rows=(_THERE, _TAKES, _LOOKED_AFTER),
)
