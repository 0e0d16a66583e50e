"""Every statement that runs against the schema, but for the schema's own.

Lookups name their index (`INDEXED BY`): a file that was never analysed gives the planner nothing to
choose by, and a statement that can't use its index is an error rather than a slow surprise.
"""

# ruff: noqa: S608 - only names from this file and of stages are put into a statement here; whatever
# comes from outside is a parameter.

from collections.abc import Iterable

from nexus_core.domain.stages import FINISHED_STAGES, SOURCES, Stage


def _listed(stages: Iterable[Stage]) -> str:
    # NULL equals no stage, so that where none is listed none is found.
    return ", ".join(f"'{stage}'" for stage in sorted(stages)) or "NULL"


# Checkpoints, buffered Jobs and stages.

_CHECKPOINT_COLUMNS = """algorithm, id, lifecycle_stage, payload_uri, result_uri,
    algorithm_failure_cause, algorithm_failure_details, received_by_host, received_at, sent_at,
    applied_configuration, configuration_overrides, content_hash, last_modified, tag, api_version,
    job_uid, parent_algorithm, parent_id"""
"""In the order that `rows` reads and writes them."""

INSERT_CHECKPOINT = f"""
INSERT INTO checkpoints ({_CHECKPOINT_COLUMNS}, cluster)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (algorithm, id) DO NOTHING
"""

INSERT_JOB = "INSERT INTO submission_buffer (run, template) VALUES (?, ?)"

FIND_CHECKPOINT = f"""
SELECT {_CHECKPOINT_COLUMNS} FROM checkpoints INDEXED BY checkpoints_by_key
WHERE algorithm = ? AND id = ?
"""

FIND_JOB = """
SELECT cluster, template
FROM checkpoints INDEXED BY checkpoints_by_key JOIN submission_buffer USING (run)
WHERE algorithm = ? AND id = ?
"""

FIND_STAGE = """
SELECT lifecycle_stage FROM checkpoints INDEXED BY checkpoints_by_key
WHERE algorithm = ? AND id = ?
"""

ADVANCE = {
    stage: f"""
UPDATE checkpoints INDEXED BY checkpoints_by_key
SET lifecycle_stage = '{stage}', last_modified = ?,
    algorithm_failure_cause = coalesce(?, algorithm_failure_cause),
    algorithm_failure_details = coalesce(?, algorithm_failure_details),
    result_uri = coalesce(?, result_uri),
    sent_at = coalesce(?, sent_at),
    job_uid = coalesce(?, job_uid)
WHERE algorithm = ? AND id = ? AND lifecycle_stage IN ({_listed(SOURCES[stage])})
"""
    for stage in Stage
}
"""By the stage to reach: changes a row only where it is in a stage that allows it."""

RETAG = """
UPDATE checkpoints INDEXED BY checkpoints_by_key SET tag = ?, last_modified = ?
WHERE algorithm = ? AND id = ?
"""

# Idempotency keys.

FIND_KEY = """
SELECT request_id, fingerprint FROM idempotency_keys
WHERE algorithm = ? AND key = ? AND expires_at > ?
"""

HOLD_KEY = """
INSERT INTO idempotency_keys (algorithm, key, fingerprint, request_id, expires_at)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (algorithm, key) DO UPDATE SET fingerprint = excluded.fingerprint,
    request_id = excluded.request_id, expires_at = excluded.expires_at
"""

# Two for each key that is added: the table shrinks back by itself, and nobody pays for a sweep.
FORGET_KEYS = """
DELETE FROM idempotency_keys WHERE rowid IN (
    SELECT rowid FROM idempotency_keys INDEXED BY idempotency_keys_by_expiry
    WHERE expires_at <= ? ORDER BY expires_at LIMIT 2
)
"""

# Runs by something else than their key. Places in the order of runs are (received_at, id).

FIND_TAGGED = f"""
SELECT {_CHECKPOINT_COLUMNS} FROM checkpoints INDEXED BY checkpoints_by_tag
WHERE tag = ? AND tag <> ''
ORDER BY received_at DESC, id DESC
"""

FIND_CHILDREN = """
SELECT algorithm, id FROM checkpoints INDEXED BY checkpoints_by_parent
WHERE parent_algorithm = ? AND parent_id = ? AND parent_id <> ''
"""

_OPEN_RUN_COLUMNS = """algorithm, id, lifecycle_stage, received_by_host, received_at, sent_at,
    last_modified, job_uid"""

FIND_OPEN = f"""
SELECT {_OPEN_RUN_COLUMNS} FROM checkpoints INDEXED BY checkpoints_open
WHERE cluster = ? AND received_at < ? AND (received_at, id) > (?, ?)
    AND lifecycle_stage IN ('NEW', 'BUFFERED', 'RUNNING')
ORDER BY received_at, id LIMIT ?
"""

FIND_BUFFERED = f"""
SELECT {_OPEN_RUN_COLUMNS} FROM checkpoints INDEXED BY checkpoints_buffered
WHERE received_by_host = ? AND (received_at, id) > (?, ?) AND lifecycle_stage = 'BUFFERED'
ORDER BY received_at, id LIMIT ?
"""

# The other clusters' runs of that owner are passed over: at most what one scheduler has queued,
# which is less than a second index would cost every run.
FIND_BUFFERED_FOR_CLUSTER = f"""
SELECT {_OPEN_RUN_COLUMNS} FROM checkpoints INDEXED BY checkpoints_buffered
WHERE received_by_host = ? AND (received_at, id) > (?, ?) AND lifecycle_stage = 'BUFFERED'
    AND cluster = ?
ORDER BY received_at, id LIMIT ?
"""

_SUMMARY_COLUMNS = """algorithm, id, lifecycle_stage, tag, received_at, sent_at, last_modified,
    algorithm_failure_cause"""

_PAGE = "received_at >= :since AND (received_at, id) < (:until, :before)"
_NEWEST_FIRST = "ORDER BY received_at DESC, id DESC LIMIT :limit"


def list_tagged_runs(stages: frozenset[Stage], *, of_algorithm: bool) -> str:
    """Return what lists the runs with one tag; what else is asked for is picked among those.

    Takes `:tag :since :until :before :limit`, and `:algorithm` where asked for.
    """
    algorithm = "AND algorithm = :algorithm" if of_algorithm else ""
    return f"""
SELECT {_SUMMARY_COLUMNS} FROM checkpoints INDEXED BY checkpoints_by_tag
WHERE tag = :tag AND tag <> '' AND {_PAGE} {algorithm}
    AND +lifecycle_stage IN ({_listed(stages)})
{_NEWEST_FIRST}
"""


def list_runs(stages: frozenset[Stage], *, of_algorithm: bool) -> str:
    """Return what lists the runs in some stages (at least one): a page of each, merged.

    `lifecycle_stage IN (...)` would find the same, but sort all of it before it cuts the page off.

    Takes `:since :until :before :limit`, and `:algorithm` where asked for.
    """
    index = "checkpoints_by_algorithm" if of_algorithm else "checkpoints_by_stage"
    algorithm = "algorithm = :algorithm AND" if of_algorithm else ""
    pages = " UNION ALL ".join(
        f"""
SELECT * FROM (
    SELECT {_SUMMARY_COLUMNS} FROM checkpoints INDEXED BY {index}
    WHERE {algorithm} lifecycle_stage = '{stage}' AND {_PAGE}
    {_NEWEST_FIRST}
)"""
        for stage in sorted(stages)
    )
    return f"{pages} {_NEWEST_FIRST}"


# Leases.

RENEW_LEASE = """
INSERT INTO leases (owner, callback_url, expires_at) VALUES (?, ?, ?)
ON CONFLICT (owner) DO UPDATE SET callback_url = excluded.callback_url,
    expires_at = excluded.expires_at
"""

# A lease that ended earlier is not brought forward.
RELEASE_LEASE = "UPDATE leases SET expires_at = ?1 WHERE owner = ?2 AND expires_at > ?1"

FIND_LIVING_LEASES = """
SELECT owner, callback_url, expires_at FROM leases INDEXED BY leases_by_expiry
WHERE expires_at > ? ORDER BY expires_at
"""

FIND_EXPIRED_LEASES = """
SELECT owner, callback_url, expires_at FROM leases INDEXED BY leases_by_expiry
WHERE expires_at <= ? ORDER BY expires_at
"""

# What happened to runs and lanes. Events and ends of logs go with their runs.

RECORD_EVENT = """
INSERT INTO run_events (algorithm, id, at, kind, subject, reason, message)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (algorithm, id, at, kind, subject) DO UPDATE SET reason = excluded.reason,
    message = excluded.message
"""

FIND_EVENTS = """
SELECT algorithm, id, at, kind, subject, reason, message FROM run_events
WHERE algorithm = ? AND id = ?
ORDER BY at, kind, subject
"""

KEEP_LOG = """
INSERT INTO log_tails (algorithm, id, content, at, pod, truncated) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (algorithm, id) DO UPDATE SET content = excluded.content, at = excluded.at,
    pod = excluded.pod, truncated = excluded.truncated
"""

FIND_LOG = "SELECT content, at, pod, truncated FROM log_tails WHERE algorithm = ? AND id = ?"

_LANE_SAMPLE_COLUMNS = "owner, cluster, at, state, depth, rate, oldest_received_at, reason"

RECORD_LANE = f"""
INSERT INTO lane_samples ({_LANE_SAMPLE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (owner, cluster, at) DO UPDATE SET state = excluded.state, depth = excluded.depth,
    rate = excluded.rate, oldest_received_at = excluded.oldest_received_at,
    reason = excluded.reason
"""

# Two for each sample that is added, likewise.
FORGET_LANE_SAMPLES = """
DELETE FROM lane_samples WHERE (owner, cluster, at) IN (
    SELECT owner, cluster, at FROM lane_samples INDEXED BY lane_samples_by_age
    WHERE at < ? ORDER BY at LIMIT 2
)
"""

FIND_LANE = f"""
SELECT {_LANE_SAMPLE_COLUMNS} FROM lane_samples
WHERE owner = ? AND cluster = ? AND at >= ? AND at <= ?
ORDER BY at LIMIT ?
"""

# Who leads.

# A lease that begins after the end of what is asked for was written before the clock was set back:
# nobody can tell when it ends, and waiting for it could take for ever.
LEAD = """
INSERT INTO leaders (role, candidate, renewed_at, expires_at) VALUES (?, ?, ?, ?)
ON CONFLICT (role) DO UPDATE SET candidate = excluded.candidate,
    renewed_at = excluded.renewed_at, expires_at = excluded.expires_at
WHERE candidate = excluded.candidate OR expires_at <= excluded.renewed_at
    OR renewed_at > excluded.expires_at
"""

RESIGN = "DELETE FROM leaders WHERE role = ? AND candidate = ?"
# Retention. Places in the order of endings are (last_modified, run).

FIND_ENDED = f"""
SELECT algorithm, id, last_modified, run FROM checkpoints INDEXED BY checkpoints_ended
WHERE lifecycle_stage IN ({_listed(FINISHED_STAGES)})
    AND last_modified < ? AND (last_modified, run) > (?, ?)
ORDER BY last_modified, run LIMIT ?
"""

FIND_PLACE = "SELECT at, mark FROM retention_places WHERE kind = ?"

REMEMBER_PLACE = """
INSERT INTO retention_places (kind, at, mark) VALUES (?, ?, ?)
ON CONFLICT (kind) DO UPDATE SET at = excluded.at, mark = excluded.mark
"""

REMOVE_JOB = """
DELETE FROM submission_buffer WHERE run IN (
    SELECT run FROM checkpoints INDEXED BY checkpoints_by_key WHERE algorithm = ? AND id = ?
)
"""

REMOVE_RECORD = (
    REMOVE_JOB,
    "DELETE FROM run_events WHERE algorithm = ? AND id = ?",
    "DELETE FROM log_tails WHERE algorithm = ? AND id = ?",
    "DELETE FROM checkpoints INDEXED BY checkpoints_by_key WHERE algorithm = ? AND id = ?",
)
"""All that is recorded of a run; the checkpoint, which leads to the rest, goes last."""

REMOVE_DEAD_LEASES = """
DELETE FROM leases WHERE owner IN (
    SELECT owner FROM leases INDEXED BY leases_by_expiry
    WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
)
"""

REMOVE_EXPIRED_KEYS = """
DELETE FROM idempotency_keys WHERE rowid IN (
    SELECT rowid FROM idempotency_keys INDEXED BY idempotency_keys_by_expiry
    WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
)
"""
