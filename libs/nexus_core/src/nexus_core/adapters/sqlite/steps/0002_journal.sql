-- What happened to runs and to the queues, who leads, and how far removal has come. Times are
-- whole milliseconds, in microseconds like all others.

-- A run's events lie together, in their order; a part of the key tells each from the others.
CREATE TABLE run_events (
    algorithm TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (algorithm, id, at, kind, subject)
) WITHOUT ROWID;

-- Apart from the events: a tail is large, and read when somebody asks for the log.
CREATE TABLE log_tails (
    algorithm TEXT NOT NULL,
    id TEXT NOT NULL,
    content TEXT NOT NULL,
    at INTEGER NOT NULL,
    pod TEXT NOT NULL,
    truncated INTEGER NOT NULL,
    PRIMARY KEY (algorithm, id)
);

CREATE TABLE lane_samples (
    owner TEXT NOT NULL,
    cluster TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    depth INTEGER NOT NULL,
    rate REAL NOT NULL,
    oldest_received_at INTEGER,
    reason TEXT NOT NULL,
    PRIMARY KEY (owner, cluster, at)
) WITHOUT ROWID;

CREATE INDEX lane_samples_by_age ON lane_samples (at);

CREATE TABLE leaders (
    role TEXT PRIMARY KEY,
    candidate TEXT NOT NULL,
    renewed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE retention_places (
    kind TEXT PRIMARY KEY,  -- of what is removed
    at INTEGER NOT NULL,  -- when the run ended that was looked at last
    mark TEXT NOT NULL  -- its row
);

-- Runs in the order in which they ended, in which they are removed. A run enters it with its end.
CREATE INDEX checkpoints_ended ON checkpoints (last_modified)
    WHERE lifecycle_stage IN
        ('CANCELLED', 'COMPLETED', 'DEADLINE_EXCEEDED', 'FAILED', 'SCHEDULING_FAILED');
