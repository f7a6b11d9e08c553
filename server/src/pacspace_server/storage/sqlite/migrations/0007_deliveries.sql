-- Where events are sent, and how far each has come in the feed. Secrets are derived, so none is here. Wall clock.
CREATE TABLE endpoint (
    id TEXT PRIMARY KEY,
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    url TEXT NOT NULL,
    description TEXT,
    events TEXT,
    enabled INTEGER NOT NULL,
    secret_version INTEGER NOT NULL,
    rotated_at INTEGER,
    created_at INTEGER NOT NULL,
    position INTEGER NOT NULL,
    item INTEGER NOT NULL,
    last_triggered_at INTEGER,
    success_count INTEGER NOT NULL,
    failure_count INTEGER NOT NULL,
    failing_since INTEGER,
    disabled_at INTEGER,
    disabled_reason TEXT
) WITHOUT ROWID;

-- The last position that was given out, and until when the feed is kept for whoever follows it.
CREATE TABLE feed (
    environment_id INTEGER PRIMARY KEY REFERENCES environment (id),
    position INTEGER NOT NULL,
    followed_until INTEGER NOT NULL
);

-- What is told, in the order of the commits: a row is one event, or the deltas of a month between two leaf indexes.
CREATE TABLE outbox (
    environment_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    customer INTEGER,
    period TEXT,
    first_item INTEGER NOT NULL,
    last_item INTEGER NOT NULL,
    log_id INTEGER,
    entry_index INTEGER,
    subject BLOB NOT NULL,
    data TEXT,
    told_at INTEGER NOT NULL,
    PRIMARY KEY (environment_id, position)
) WITHOUT ROWID;
CREATE INDEX outbox_month ON outbox (customer, period, last_item) WHERE period IS NOT NULL;

-- One event on its way to one endpoint, after its first attempt: 0 pending, 1 delivered, 2 failed. Most are delivered at the
-- first attempt, which touches neither index.
CREATE TABLE delivery (
    environment_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    item INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    status INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER,
    status_code INTEGER,
    error TEXT,
    created_at INTEGER NOT NULL,
    attempted_at INTEGER NOT NULL,
    PRIMARY KEY (environment_id, position, item, endpoint)
) WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (endpoint, next_attempt_at) WHERE status = 0;
CREATE INDEX delivery_undelivered ON delivery (environment_id, status, position) WHERE status <> 1;
