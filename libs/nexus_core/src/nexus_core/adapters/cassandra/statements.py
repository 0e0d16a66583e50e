"""Every statement of the checkpoint store.

Those of a first write take a timestamp (see `FirstWins`) as their last value but where they say
otherwise, and exist without one for stores that refuse such timestamps.
"""

# ruff: noqa: S608 - names of tables, columns and stages; values are always bound

from collections.abc import Iterable
from functools import lru_cache

from nexus_core.adapters.cassandra.rows import (
    CHECKPOINT_COLUMNS,
    OPEN_RUN_COLUMNS,
    SUMMARY_COLUMNS,
)
from nexus_core.adapters.cassandra.session import Consistency, Statement
from nexus_core.domain.stages import FINISHED_STAGES, SOURCES, Stage


def _listed(stages: Iterable[Stage]) -> str:
    return ", ".join(f"'{stage}'" for stage in sorted(stages))


def _insert(table: str, columns: tuple[str, ...], using: str = "") -> Statement:
    marks = ", ".join("?" * len(columns))
    return Statement(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}){using}", idempotent=True
    )


def _serial(statement: Statement) -> Statement:
    return Statement(statement.cql, consistency=Consistency.LOCAL_SERIAL)


_OF_RUN = "WHERE algorithm = ? AND id = ?"


class FirstWrites:
    """What a run is first written with: with a timestamp as the last value, or without."""

    def __init__(self, *, stamped: bool) -> None:
        using = " USING TIMESTAMP ?" if stamped else ""
        self.checkpoint = _insert("checkpoints", CHECKPOINT_COLUMNS, using)
        self.job = _insert("submission_buffer", ("algorithm", "id", "cluster", "template"), using)
        self.by_tag = _insert("checkpoints_by_tag", ("tag", "id", "algorithm"), using)
        self.by_host = _insert(
            "checkpoints_by_host", ("host", "lifecycle_stage", "id", "algorithm"), using
        )
        self.open_run = _insert(
            "open_runs", ("cluster", "part", "received_at", "id", "algorithm"), using
        )
        self.child = _insert(
            "children", ("parent_algorithm", "parent_id", "algorithm", "id"), using
        )


# Checkpoints.

INSERT_CHECKPOINT_ONCE = Statement(
    _insert("checkpoints", CHECKPOINT_COLUMNS).cql + " IF NOT EXISTS"
)
FIND_CHECKPOINT = Statement(f"SELECT {', '.join(CHECKPOINT_COLUMNS)} FROM checkpoints {_OF_RUN}")
FIND_CHECKPOINT_SERIALLY = _serial(FIND_CHECKPOINT)
FIND_OPEN_RUN = Statement(f"SELECT {', '.join(OPEN_RUN_COLUMNS)} FROM checkpoints {_OF_RUN}")
FIND_SUMMARY = Statement(f"SELECT {', '.join(SUMMARY_COLUMNS)} FROM checkpoints {_OF_RUN}")
FIND_STAGE_AND_CAUSE = Statement(
    f"SELECT lifecycle_stage, algorithm_failure_cause FROM checkpoints {_OF_RUN}"
)
FIND_JOB = Statement(f"SELECT cluster, template FROM submission_buffer {_OF_RUN}")

# Payloads. A run's is written once, and removed only when the run came to nothing.

PUT_PAYLOAD = _insert("payload_buffer", ("algorithm", "id", "payload_content"))
FIND_PAYLOAD = Statement(f"SELECT payload_content FROM payload_buffer {_OF_RUN}")
DELETE_PAYLOAD = Statement(f"DELETE FROM payload_buffer {_OF_RUN}", idempotent=True)


@lru_cache(maxsize=256)
def advance(to: Stage, columns: tuple[str, ...]) -> Statement:
    """Return what brings a run to a stage; takes the columns, then algorithm and id.

    A statement for each set of columns, few of which occur, and not one with unset values: in a
    condition's answer, and in a server's log, one sees what was asked for.
    """
    assignments = "".join(f", {column} = ?" for column in columns)
    return Statement(
        f"UPDATE checkpoints SET lifecycle_stage = '{to}'{assignments} {_OF_RUN} "
        f"IF lifecycle_stage IN ({_listed(SOURCES[to])})"
    )


@lru_cache(maxsize=256)
def find_columns_serially(columns: tuple[str, ...]) -> Statement:
    """Return what reads the stage and some columns of a run as transactions left them."""
    return _serial(
        Statement(f"SELECT lifecycle_stage, {', '.join(columns)} FROM checkpoints {_OF_RUN}")
    )


# Tags and hosts.

# That a stage is there says that the run is: a condition on a null tag alone would create it, and
# one that the row exists would keep the rest of a run whose time is over.
RETAG = Statement(
    f"UPDATE checkpoints SET tag = ?, last_modified = ? {_OF_RUN} "
    f"IF lifecycle_stage IN ({_listed(Stage)})"
)
RETAG_FROM = Statement(
    f"UPDATE checkpoints SET tag = ?, last_modified = ? {_OF_RUN} "
    f"IF tag = ? AND lifecycle_stage IN ({_listed(Stage)})"
)
FIND_TAG = Statement(
    f"SELECT lifecycle_stage, tag, WRITETIME(last_modified) FROM checkpoints {_OF_RUN}"
)
FIND_TAG_ALONE = Statement(f"SELECT lifecycle_stage, tag FROM checkpoints {_OF_RUN}")
FIND_TAG_SERIALLY = _serial(Statement(f"SELECT tag, last_modified FROM checkpoints {_OF_RUN}"))
FIND_TAGGED = Statement(f"SELECT {', '.join(CHECKPOINT_COLUMNS)} FROM checkpoints WHERE tag = ?")

FIND_BY_TAG = Statement("SELECT algorithm, id FROM checkpoints_by_tag WHERE tag = ?")
ADD_BY_TAG = _insert("checkpoints_by_tag", ("tag", "id", "algorithm"), " USING TIMESTAMP ?")
# The timestamp comes first.
REMOVE_BY_TAG = Statement(
    "DELETE FROM checkpoints_by_tag USING TIMESTAMP ? WHERE tag = ? AND id = ?", idempotent=True
)
# Without timestamps of their own, for stores that refuse those.
ADD_BY_TAG_NOW = _insert("checkpoints_by_tag", ("tag", "id", "algorithm"))
REMOVE_BY_TAG_NOW = Statement("DELETE FROM checkpoints_by_tag WHERE tag = ? AND id = ?")

FIND_HOST = Statement(f"SELECT received_by_host, lifecycle_stage FROM checkpoints {_OF_RUN}")
REMOVE_BY_HOST = Statement(
    "DELETE FROM checkpoints_by_host WHERE host = ? AND lifecycle_stage = ? AND id = ?",
    idempotent=True,
)
FIND_BY_HOST_AMONG = Statement(
    "SELECT id FROM checkpoints_by_host WHERE host = ? AND lifecycle_stage = ? AND id IN ?"
)

# Runs of other implementations.

FIND_BY_STAGE = Statement(
    "SELECT algorithm, id, received_by_host FROM checkpoints WHERE lifecycle_stage = ?"
)
FIND_HOSTS = Statement("SELECT DISTINCT host, lifecycle_stage FROM checkpoints_by_host")
FIND_BY_HOST = Statement(
    "SELECT algorithm, id FROM checkpoints_by_host WHERE host = ? AND lifecycle_stage = ?"
)

# Children.

FIND_CHILDREN = Statement(
    "SELECT algorithm, id FROM children WHERE parent_algorithm = ? AND parent_id = ?"
)

# Open runs. Every slot stands in one partition, named 'open'.

ADD_SLOT = Statement(
    "INSERT INTO open_slots (ledger, cluster, slot) VALUES ('open', ?, ?)", idempotent=True
)
ADD_PART = _insert("open_parts", ("cluster", "slot", "owner", "part"))
FIND_SLOTS = Statement("SELECT cluster, slot FROM open_slots WHERE ledger = 'open' AND cluster = ?")
FIND_ALL_SLOTS = Statement("SELECT cluster, slot FROM open_slots WHERE ledger = 'open'")
FIND_PARTS = Statement("SELECT owner, part FROM open_parts WHERE cluster = ? AND slot = ?")
REMOVE_SLOT = Statement(
    "DELETE FROM open_slots WHERE ledger = 'open' AND cluster = ? AND slot = ?", idempotent=True
)
REMOVE_PART = Statement(
    "DELETE FROM open_parts WHERE cluster = ? AND slot = ? AND owner = ? AND part = ?",
    idempotent=True,
)
DROP_PART = Statement("DELETE FROM open_runs WHERE cluster = ? AND part = ?", idempotent=True)

_ENTRY = "SELECT received_at, id, algorithm FROM"
_OF_PART = f"{_ENTRY} open_runs WHERE cluster = ? AND part = ?"

READ_PART = Statement(_OF_PART)
READ_PART_ONWARDS = Statement(
    f"{_OF_PART} AND (received_at, id) > (?, ?) AND received_at < ? LIMIT ?"
)
READ_PART_BACKWARDS = Statement(
    f"{_OF_PART} AND (received_at, id) < (?, ?) AND received_at >= ? "
    "ORDER BY received_at DESC, id DESC, algorithm DESC LIMIT ?"
)

# Finished runs.

ADD_FINISHED_DAY = _insert("finished_days", ("stage", "list", "day"))
ADD_FINISHED_MINUTE = _insert("finished_minutes", ("stage", "list", "day", "minute"))
ADD_FINISHED = _insert(
    "finished_runs", ("stage", "list", "minute", "received_at", "id", "algorithm")
)
FIND_FINISHED_DAYS = Statement(
    "SELECT day FROM finished_days WHERE stage = ? AND list = ? AND day <= ? AND day >= ?"
)
FIND_FINISHED_MINUTES = Statement(
    "SELECT minute FROM finished_minutes WHERE stage = ? AND list = ? AND day = ? "
    "AND minute <= ? AND minute >= ?"
)
FIND_FINISHED = Statement(
    f"{_ENTRY} finished_runs WHERE stage = ? AND list = ? AND minute = ? "
    "AND (received_at, id) < (?, ?) AND received_at >= ? LIMIT ?"
)
REMOVE_FINISHED = Statement(
    "DELETE FROM finished_runs WHERE stage = ? AND list = ? AND minute = ? "
    "AND received_at = ? AND id = ? AND algorithm = ?",
    idempotent=True,
)

# Runs in the order in which they ended.

ADD_ENDING_MINUTE = _insert("ending_minutes", ("day", "minute"))
ADD_ENDING = _insert("endings", ("minute", "at", "id", "algorithm"))
FIND_ENDING_MINUTES = Statement(
    "SELECT minute FROM ending_minutes WHERE day = ? AND minute >= ? AND minute <= ?"
)
FIND_ENDINGS = Statement(
    "SELECT at, id, algorithm FROM endings "
    "WHERE minute = ? AND (at, id) > (?, ?) AND at < ? LIMIT ?"
)
DROP_ENDINGS = Statement("DELETE FROM endings WHERE minute = ?", idempotent=True)
DROP_ENDING_MINUTES = Statement("DELETE FROM ending_minutes WHERE day = ?", idempotent=True)

# Retention.

FIND_PLACE = Statement("SELECT at, mark FROM retention_places WHERE kind = ?")
REMEMBER_PLACE = _insert("retention_places", ("kind", "at", "mark"))
FIND_EXPIRY = Statement(
    "SELECT default_time_to_live FROM system_schema.tables "
    "WHERE keyspace_name = ? AND table_name = 'checkpoints'"
)
FIND_WHAT_LEADS_TO_A_RUN = Statement(
    f"SELECT lifecycle_stage, received_at, received_by_host, tag FROM checkpoints {_OF_RUN}"
)
REMOVE_JOB = Statement(f"DELETE FROM submission_buffer {_OF_RUN}", idempotent=True)
REMOVE_CHILDREN = Statement(
    "DELETE FROM children WHERE parent_algorithm = ? AND parent_id = ?", idempotent=True
)
REMOVE_EVENTS = Statement(f"DELETE FROM run_events {_OF_RUN}", idempotent=True)
REMOVE_LOG = Statement(f"DELETE FROM log_tails {_OF_RUN}", idempotent=True)
# A transaction like all that changed the row, so that none of them comes late and brings it back.
REMOVE_CHECKPOINT = Statement(
    f"DELETE FROM checkpoints {_OF_RUN} IF lifecycle_stage IN ({_listed(FINISHED_STAGES)})"
)

# Idempotency keys.

_OF_KEY = "WHERE algorithm = ? AND key = ?"

CLAIM = Statement(
    "INSERT INTO idempotency_keys (algorithm, key, fingerprint, request_id, expires_at) "
    "VALUES (?, ?, ?, ?, ?) IF NOT EXISTS USING TTL ?"
)
TAKE_CLAIM_OVER = Statement(
    "UPDATE idempotency_keys USING TTL ? SET fingerprint = ?, request_id = ?, expires_at = ? "
    f"{_OF_KEY} IF request_id = ? AND expires_at = ?"
)
RELEASE_CLAIM = Statement(f"DELETE FROM idempotency_keys {_OF_KEY} IF request_id = ?")
FIND_CLAIM = Statement(
    f"SELECT request_id, fingerprint, expires_at FROM idempotency_keys {_OF_KEY}"
)
FIND_CLAIM_SERIALLY = _serial(FIND_CLAIM)

# Leases. All stand in one partition, named 'schedulers'.

RENEW_LEASE = Statement(
    "INSERT INTO leases (pool, owner, callback_url, expires_at) VALUES ('schedulers', ?, ?, ?) "
    "USING TTL ?",
    idempotent=True,
)
FIND_LEASE = Statement(
    "SELECT owner, callback_url, expires_at FROM leases WHERE pool = 'schedulers' AND owner = ?"
)
FIND_LEASES = Statement(
    "SELECT owner, callback_url, expires_at FROM leases WHERE pool = 'schedulers'"
)

# What happened to runs and lanes.

EVENT_COLUMNS = ("algorithm", "id", "at", "kind", "subject", "reason", "message")
TAIL_COLUMNS = ("content", "at", "pod", "truncated")
SAMPLE_COLUMNS = (
    "owner",
    "cluster",
    "at",
    "state",
    "depth",
    "rate",
    "oldest_received_at",
    "reason",
)

RECORD_EVENT = _insert("run_events", EVENT_COLUMNS)
FIND_EVENTS = Statement(f"SELECT {', '.join(EVENT_COLUMNS)} FROM run_events {_OF_RUN}")
KEEP_LOG = _insert("log_tails", ("algorithm", "id", *TAIL_COLUMNS))
FIND_LOG = Statement(f"SELECT {', '.join(TAIL_COLUMNS)} FROM log_tails {_OF_RUN}")
RECORD_LANE = _insert("lane_samples", ("day", *SAMPLE_COLUMNS))
FIND_LANE = Statement(
    f"SELECT {', '.join(SAMPLE_COLUMNS)} FROM lane_samples "
    "WHERE owner = ? AND cluster = ? AND day = ? AND at >= ? AND at <= ? LIMIT ?"
)

# Who leads. A row is written by transactions alone, and goes with its time.

# Not inserted where there is none: what marks a row as inserted keeps its first time to live, and
# would stand in the way when a later, shorter one has ended. The last value is null then.
LEAD = Statement(
    "UPDATE leaders USING TTL ? SET candidate = ?, renewal = ? WHERE role = ? IF candidate = ?"
)
RESIGN = Statement("DELETE FROM leaders WHERE role = ? IF candidate = ?")
FIND_LEADER_SERIALLY = _serial(Statement("SELECT candidate, renewal FROM leaders WHERE role = ?"))
