-- What a vendor says about a customer. It may change and be erased: it is no part of the record.
CREATE TABLE profile (
    customer INTEGER PRIMARY KEY REFERENCES customer (id),
    display_name TEXT NOT NULL,
    sharing_hint TEXT,
    event_cadence TEXT
);

-- Locking a month for all customers. `after` is the customerId up to which it is done.
CREATE TABLE job (
    id TEXT PRIMARY KEY,
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    period TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('RUNNING', 'DONE')),
    total INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    after TEXT NOT NULL,
    delta_count INTEGER NOT NULL,
    net_change NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER
) WITHOUT ROWID;
-- One job per month runs; the same request again finds it.
CREATE UNIQUE INDEX job_running ON job (environment_id, period) WHERE status = 'RUNNING';
-- The Idempotency-Keys that led to a job; several may lead to one.
CREATE TABLE job_key (
    key_hash BLOB PRIMARY KEY,
    body_mac BLOB NOT NULL,
    job TEXT NOT NULL REFERENCES job (id)
) WITHOUT ROWID;

CREATE TABLE job_failure (
    job TEXT NOT NULL REFERENCES job (id),
    customer_id TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (job, customer_id)
) WITHOUT ROWID;

-- The customers that have something in a month.
CREATE INDEX period_head_period ON period_head (period, customer);
