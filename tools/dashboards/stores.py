"""The stores: whether they answer, how fast, and whether what is old goes."""

from tools.dashboards.expressions import COMPLETE, REQUESTS, RUN, quantiles, rate
from tools.dashboards.panels import Dashboard, Panel, Query, Row

_RESULTS = '"/algorithm(/v1)?/results/[^/]+/requests/.+"'
_PAYLOADS = '"/data/v1/(payloads|results)/.+"'

_THERE = Row(
    title="Are they there",
    panels=(
        Panel(
            title="Parts that can be used",
            says="1 for each part that a service can use, 0 where it can't: its /readyz says why. Alert: NexusPartNotReady.",
            queries=(
                Query(
                    'min by (job, instance, part) (nexus_part_ready{part!~"cluster .+"})',
                    "{{job}} {{instance}}: {{part}}",
                ),
            ),
        ),
        Panel(
            title="Not called, since it is away",
            says="1 while a scheduler answers 503 at once, for a store that it knows to be away.",
            queries=(
                Query(
                    'max by (instance, part) (nexus_scheduler_circuit_open{part!~"cluster .+"})',
                    "{{instance}}: {{part}}",
                ),
            ),
        ),
        Panel(
            title="Clocks",
            says="By how much the clock of each part is ahead of the machine's that a service is on. Alert: NexusClocksDiffer.",
            queries=(
                Query(
                    "max by (instance, part) (nexus_clock_offset_seconds)", "{{instance}}: {{part}}"
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Answers 503",
            says="By endpoint, a second.",
            queries=(Query(rate(f"{REQUESTS}_count", 'status="503"', "endpoint"), "{{endpoint}}"),),
            unit="reqps",
        ),
    ),
)

_SPEED = Row(
    title="How fast they are",
    panels=(
        Panel(
            title="Write to the checkpoint store alone",
            says="Time to take a completion: one compare-and-set. Where it is slow, so is the store.",
            queries=quantiles(REQUESTS, f'endpoint=~{COMPLETE}, status="202"'),
            unit="s",
        ),
        Panel(
            title="Write to both stores",
            says="Time to accept a run: the payload, then a batch of rows. Slow, while the panel before is not: the payload store.",
            queries=quantiles(REQUESTS, f'endpoint=~{RUN}, status="202"'),
            unit="s",
        ),
        Panel(
            title="Read of the checkpoint store",
            says="Time to answer with a result. Long polls are in it, at the median least.",
            queries=quantiles(REQUESTS, f'endpoint=~{_RESULTS}, status="200"'),
            unit="s",
        ),
        Panel(
            title="Payloads and results served by schedulers",
            says="Where the scheduler serves them itself: the time until the last byte is sent.",
            queries=quantiles(REQUESTS, f'endpoint=~{_PAYLOADS}, status="200"'),
            unit="s",
        ),
        Panel(
            title="Job and its record",
            says="Time of a launch: the API server, then one compare-and-set.",
            queries=quantiles("nexus_scheduler_launch_duration_seconds"),
            unit="s",
        ),
        Panel(
            title="Journal of runs",
            says="Happenings kept for the stories of runs; what is dropped is missing there, and nowhere else.",
            queries=(
                Query(rate("nexus_supervisor_journal_events_total", by="outcome"), "{{outcome}}"),
            ),
            unit="reqps",
        ),
    ),
)

_OLD = Row(
    title="Does what is old go",
    panels=(
        Panel(
            title="Over its time",
            says="For how long what is removed next has been over its time. Alert: NexusRemovalBehind.",
            queries=(Query("max by (kept) (nexus_supervisor_removal_lag_seconds)", "{{kept}}"),),
            unit="s",
        ),
        Panel(
            title="Removed",
            says="Runs of which something was removed for its age, and content that belonged to none, a second.",
            queries=(
                Query(rate("nexus_supervisor_removed_for_age_total", by="kept"), "{{kept}}"),
                Query(rate("nexus_supervisor_removed_orphans_total"), "content without a run"),
            ),
            unit="reqps",
        ),
        Panel(
            title="Since the last round",
            says="Of removal, that ended well. It is made every minute.",
            queries=(
                Query(
                    "time() - max(nexus_supervisor_last_removal_timestamp_seconds)", "last round"
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Time of a round",
            says="Of removal.",
            queries=quantiles("nexus_supervisor_removal_duration_seconds"),
            unit="s",
        ),
        Panel(
            title="Age of templates",
            says="Since the source of templates told each scheduler anything. Alert: NexusCatalogueStale.",
            queries=(Query("nexus_scheduler_catalogue_age_seconds", "{{instance}}"),),
            unit="s",
        ),
    ),
)

STORES = Dashboard(
    uid="nexus-stores",
    title="Nexus: stores",
    says="Whether the checkpoint store, the payload store and the source of templates answer, and how fast.",
    rows=(_THERE, _SPEED, _OLD),
)
