"""Whether Nexus does its work, on one page."""

from tools.dashboards.expressions import COMPLETE, REQUESTS, RUN, quantiles, rate
from tools.dashboards.panels import Dashboard, Panel, Query, Row

_ASKED = f"{REQUESTS}_count"
_RUNS_ALONE = f"endpoint=~{RUN}"
_REFUSED = f'endpoint=~{RUN}, status=~"429|503"'

_NOW = Row(
    title="Now",
    panels=(
        Panel(
            title="Runs accepted",
            says="Answered 202 and durable, a second.",
            queries=(Query(rate("nexus_scheduler_accepted_runs_total"), "accepted"),),
            unit="reqps",
            is_number=True,
            width=4,
            height=4,
        ),
        Panel(
            title="Runs refused",
            says="The share of requests for a run that was answered 429 or 503. Alert: NexusRunsRefused.",
            queries=(
                Query(
                    f"({rate(_ASKED, _REFUSED)} or vector(0)) / {rate(_ASKED, _RUNS_ALONE)}",
                    "refused",
                ),
            ),
            unit="percentunit",
            is_number=True,
            bad_from=0.05,
            width=4,
            height=4,
        ),
        Panel(
            title="Runs that wait",
            says="In the queues of all schedulers.",
            queries=(Query("sum(nexus_scheduler_queued_runs)", "waiting"),),
            is_number=True,
            width=4,
            height=4,
        ),
        Panel(
            title="Oldest wait",
            says="Since the run was accepted whose turn is next. Alert: NexusRunsWaitLong.",
            queries=(Query("max(nexus_scheduler_oldest_wait_seconds)", "oldest"),),
            unit="s",
            is_number=True,
            bad_from=900,
            width=4,
            height=4,
        ),
        Panel(
            title="Parts not ready",
            says="Parts that a service requires and can't use. Alert: NexusPartNotReady; which: the dashboard of stores.",
            queries=(
                Query('count(nexus_part_ready{required="true"} == 0) or vector(0)', "not ready"),
            ),
            is_number=True,
            bad_from=1,
            width=4,
            height=4,
        ),
        Panel(
            title="Clusters without a leader",
            says="Clusters that no supervisor follows. Alert: NexusNoLeader.",
            queries=(
                Query(
                    "count(max by (cluster) (nexus_supervisor_leads) == 0) or vector(0)",
                    "without leader",
                ),
            ),
            is_number=True,
            bad_from=1,
            width=4,
            height=4,
        ),
    ),
)

_RUNS = Row(
    title="Runs",
    panels=(
        Panel(
            title="Accepted, by algorithm",
            says="Runs that were answered 202, a second.",
            queries=(
                Query(rate("nexus_scheduler_accepted_runs_total", by="algorithm"), "{{algorithm}}"),
            ),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Launched, by outcome",
            says="Attempts to start a Job, a second. `refused` and `held_up` are tried again; `error` is a fault of ours.",
            queries=(Query(rate("nexus_scheduler_launches_total", by="outcome"), "{{outcome}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Ended, by whom",
            says="Completions that algorithms reported, and runs that the supervisor settled for them, a second.",
            queries=(
                Query(
                    rate("nexus_receiver_completions_total", 'effect="changed"'),
                    "reported by the algorithm",
                ),
                Query(
                    rate("nexus_supervisor_settled_runs_total", by="stage"),
                    "{{stage}} by the supervisor",
                ),
            ),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Waiting, by cluster",
            says="Runs in the queues of all schedulers.",
            queries=(Query("sum by (cluster) (nexus_scheduler_queued_runs)", "{{cluster}}"),),
            is_stacked=True,
        ),
        Panel(
            title="Time to accept",
            says="From a request's head to its 202: a payload is stored, and a batch of rows.",
            queries=quantiles(REQUESTS, f'endpoint=~{RUN}, status="202"'),
            unit="s",
        ),
        Panel(
            title="Time to take a completion",
            says="From a report's head to its 202: one compare-and-set.",
            queries=quantiles(REQUESTS, f'endpoint=~{COMPLETE}, status="202"'),
            unit="s",
        ),
    ),
)

_PROCESSES = Row(
    title="Processes",
    panels=(
        Panel(
            title="Requests that failed",
            says="By status, a second. 500 is a fault of ours, 503 says that a store is away, 429 that a queue or the memory is full.",
            queries=(
                Query(
                    rate(f"{REQUESTS}_count", 'status=~"429|5.."', "job, status"),
                    "{{job}} {{status}}",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            title="CPU",
            says="Cores that each process uses. A process uses little more than one.",
            queries=(
                Query(
                    "sum by (job, instance) (rate(process_cpu_seconds_total[$__rate_interval])"
                    " and on (job, instance) nexus_build_info)",
                    "{{job}} {{instance}}",
                ),
            ),
        ),
        Panel(
            title="Memory",
            says="Resident memory of each process.",
            queries=(
                Query(
                    "process_resident_memory_bytes and on (job, instance) nexus_build_info",
                    "{{job}} {{instance}}",
                ),
            ),
            unit="bytes",
        ),
        Panel(
            title="Age of processes",
            says="Since each was started. Alert: NexusRestarts.",
            queries=(
                Query(
                    "time() - process_start_time_seconds and on (job, instance) nexus_build_info",
                    "{{job}} {{instance}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Releases",
            says="Processes of each release. Alert: NexusVersionsDiffer.",
            queries=(Query("count by (job, version) (nexus_build_info)", "{{job}} {{version}}"),),
            is_stacked=True,
        ),
        Panel(
            title="Open files",
            says="The share that each process has open of the files that it may.",
            queries=(
                Query(
                    "process_open_fds / process_max_fds and on (job, instance) nexus_build_info",
                    "{{job}} {{instance}}",
                ),
            ),
            unit="percentunit",
        ),
    ),
)

OVERVIEW = Dashboard(
    uid="nexus-overview",
    title="Nexus: overview",
    says="Whether Nexus takes runs, starts them and ends them.",
    rows=(_NOW, _RUNS, _PROCESSES),
)
