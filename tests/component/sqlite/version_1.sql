-- Version 1. Times are microseconds since 1970 in UTC; empty text means nothing recorded.
-- Columns named as in the contract's tables mean the same here; others are this store's own.

CREATE TABLE checkpoints (
    run INTEGER PRIMARY KEY,  -- rows lie in the order they came, so accepting appends
    algorithm TEXT NOT NULL,
    id TEXT NOT NULL,
    lifecycle_stage TEXT NOT NULL,
    payload_uri TEXT NOT NULL,
    result_uri TEXT NOT NULL,
    algorithm_failure_cause TEXT NOT NULL,
    algorithm_failure_details TEXT NOT NULL,
    received_by_host TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    sent_at INTEGER,
    applied_configuration TEXT,  -- JSON
    configuration_overrides TEXT,  -- JSON
    content_hash TEXT NOT NULL,
    last_modified INTEGER NOT NULL,
    tag TEXT NOT NULL,
    api_version TEXT NOT NULL,
    job_uid TEXT NOT NULL,
    parent_algorithm TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    cluster TEXT NOT NULL  -- of the buffered Job; empty where there is none
);

CREATE UNIQUE INDEX checkpoints_by_key ON checkpoints (algorithm, id);

-- Lists: one of these two for each stage asked for, merged. Neither time nor algorithm alone is
-- indexed: a list of one rare stage would then cost as much as all the runs it skips.
CREATE INDEX checkpoints_by_stage ON checkpoints (lifecycle_stage, received_at, id);
CREATE INDEX checkpoints_by_algorithm
    ON checkpoints (algorithm, lifecycle_stage, received_at, id);

-- Sweeps: as small as what is open, whatever the table has grown to.
CREATE INDEX checkpoints_open ON checkpoints (cluster, received_at, id)
    WHERE lifecycle_stage IN ('NEW', 'BUFFERED', 'RUNNING');
CREATE INDEX checkpoints_buffered ON checkpoints (received_by_host, received_at, id)
    WHERE lifecycle_stage = 'BUFFERED';

-- Runs without a tag or a parent pay nothing for these.
CREATE INDEX checkpoints_by_tag ON checkpoints (tag, received_at, id) WHERE tag <> '';
CREATE INDEX checkpoints_by_parent ON checkpoints (parent_algorithm, parent_id)
    WHERE parent_id <> '';

-- Apart from the checkpoint, so that a change of stage does not rewrite the Job.
CREATE TABLE submission_buffer (
    run INTEGER PRIMARY KEY,  -- of the checkpoint
    template BLOB NOT NULL  -- the Job as JSON
);

CREATE TABLE idempotency_keys (
    algorithm TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    request_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (algorithm, key)
);

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

CREATE TABLE leases (
    owner TEXT PRIMARY KEY,
    callback_url TEXT NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE INDEX leases_by_expiry ON leases (expires_at);
