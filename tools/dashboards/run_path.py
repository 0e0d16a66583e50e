"""The steps of a run in their order, and what each takes."""

from tools.dashboards.chosen_cluster import CLUSTER, HERE, OLDEST_WAIT
from tools.dashboards.expressions import COMPLETE, REQUESTS, RUN, quantiles, rate
from tools.dashboards.panels import Dashboard, Panel, Query, Row

_ACCEPT = Row(
    title="1. Accepted",
    panels=(
        Panel(
            title="Requests for a run, by status",
            says="202: durable. 400: the caller's mistake. 429: the queue or the memory is full. 503: a store is away.",
            queries=(Query(rate(f"{REQUESTS}_count", f"endpoint=~{RUN}", "status"), "{{status}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Time to accept",
            says="The payload store and the checkpoint store answer in it, one after the other.",
            queries=quantiles(REQUESTS, f'endpoint=~{RUN}, status="202"'),
            unit="s",
        ),
        Panel(
            title="Bodies that are held",
            says="Of requests that are not yet answered. At `payload-memory` of a scheduler the answer is 429.",
            queries=(Query("nexus_scheduler_held_body_bytes", "{{instance}}"),),
            unit="bytes",
        ),
    ),
)

_QUEUE = Row(
    title="2. Queued",
    panels=(
        Panel(
            title="Runs that wait",
            says="Of each scheduler, beside what it takes. At the limit the answer is 429.",
            queries=(
                Query(f"sum by (instance) (nexus_scheduler_queued_runs{{{HERE}}})", "{{instance}}"),
                Query("max(nexus_scheduler_queue_limit)", "limit of a scheduler"),
            ),
        ),
        OLDEST_WAIT,
        Panel(
            title="Time from accepted to launched",
            says="Of the runs whose Job was created.",
            queries=quantiles("nexus_scheduler_queue_wait_seconds", HERE),
            unit="s",
        ),
    ),
)

_LAUNCH = Row(
    title="3. Launched",
    panels=(
        Panel(
            title="Attempts, by outcome",
            says="`refused`: the cluster will not now; `rejected`: it never will, and the run is SCHEDULING_FAILED.",
            queries=(
                Query(rate("nexus_scheduler_launches_total", HERE, "outcome"), "{{outcome}}"),
            ),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Sent, and the most that is sent",
            says="Jobs a second beside the rate limit of all schedulers together, which is less for a while after a refusal.",
            queries=(
                Query(rate("nexus_scheduler_launches_total", f'{HERE}, outcome="running"'), "sent"),
                Query(f"sum(nexus_scheduler_launch_rate{{{HERE}}})", "at most"),
            ),
            unit="reqps",
        ),
        Panel(
            title="Time of an attempt",
            says="The API server creates the Job, and the checkpoint store records it.",
            queries=quantiles("nexus_scheduler_launch_duration_seconds", HERE),
            unit="s",
        ),
    ),
)

_RUN = Row(
    title="4. Running",
    panels=(
        Panel(
            title="What clusters tell",
            says="States of Jobs and pods, by the word that says most of each.",
            queries=(
                Query(
                    rate("nexus_supervisor_observations_total", HERE, "kind, reason"),
                    "{{kind}} {{reason}}",
                ),
            ),
            unit="reqps",
            width=12,
        ),
        Panel(
            title="What the supervisor had to do",
            says="Late runs submitted in their scheduler's place, and Jobs deleted that outlived their run.",
            queries=(
                Query(rate("nexus_supervisor_submitted_runs_total", HERE), "submitted late"),
                Query(rate("nexus_supervisor_removed_jobs_total", HERE), "Jobs deleted"),
                Query(f"sum(nexus_supervisor_missing_jobs{{{HERE}}})", "Jobs missing now"),
            ),
            width=12,
        ),
    ),
)

_END = Row(
    title="5. Ended",
    panels=(
        Panel(
            title="Completions, by status",
            says="202: recorded. 503: the checkpoint store is away; clients come again for 25 s.",
            queries=(
                Query(rate(f"{REQUESTS}_count", f"endpoint=~{COMPLETE}", "status"), "{{status}}"),
            ),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Time to take a completion",
            says="One compare-and-set in the checkpoint store.",
            queries=quantiles(REQUESTS, f'endpoint=~{COMPLETE}, status="202"'),
            unit="s",
        ),
        Panel(
            title="Completions, by effect",
            says="`late` ones found their run finished. Many of them say that answers get lost on the way.",
            queries=(Query(rate("nexus_receiver_completions_total", by="effect"), "{{effect}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Settled by the supervisor, by stage",
            says="Runs that ended without their algorithm's word.",
            queries=(
                Query(rate("nexus_supervisor_settled_runs_total", HERE, "stage"), "{{stage}}"),
            ),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Logs of failed runs",
            says="`kept` for who asks later; `lost`: a node, a right or the store did not answer in time.",
            queries=(
                Query(rate("nexus_supervisor_kept_logs_total", HERE, "outcome"), "{{outcome}}"),
            ),
            unit="reqps",
        ),
    ),
)

_HEARD = Row(
    title="6. Heard of",
    panels=(
        Panel(
            title="Clients that wait",
            says="In long polls, at each scheduler.",
            queries=(Query("nexus_scheduler_waiting_clients", "{{instance}}"),),
        ),
        Panel(
            title="Calls to schedulers, by outcome",
            says="`given_up`: clients of that scheduler find results by looking, 5 s late at most.",
            queries=(Query(rate("nexus_callback_calls_total", by="outcome"), "{{outcome}}"),),
            unit="reqps",
        ),
        Panel(
            title="Clients that read logs",
            says="At each scheduler; at most `logs.readers`.",
            queries=(Query("nexus_scheduler_log_readers", "{{instance}}"),),
        ),
    ),
)

RUN_PATH = Dashboard(
    uid="nexus-run-path",
    title="Nexus: the path of a run",
    says="Each step from a request to its result, in order: where it is slow is where runs are.",
    variables=(CLUSTER,),
    rows=(_ACCEPT, _QUEUE, _LAUNCH, _RUN, _END, _HEARD),
)
