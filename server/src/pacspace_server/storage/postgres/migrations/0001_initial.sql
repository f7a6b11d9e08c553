-- Amounts are NUMERIC with nine fractional digits, instants UTC microseconds, hashes bytea. Text that is put in order has
-- the collation "C", which orders it as Python does.
--
-- The family of a customer is what grows: shard_key comes first in each of its primary keys, unique keys, foreign keys and
-- hot indexes, so that all of a customer lives on one node whatever the number of nodes. Sequences come from the locked
-- customer row, ids and instants from the program. There are no triggers, sequences or deferred constraints.

CREATE TABLE installation (
    id integer PRIMARY KEY CHECK (id = 1),
    secret bytea NOT NULL,
    workspace_id text NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE environment (
    id bigint PRIMARY KEY,
    workspace_id text NOT NULL,
    name text NOT NULL CHECK (name IN ('sandbox', 'production')),
    log_id bigint NOT NULL,
    clock_at bigint,
    UNIQUE (workspace_id, name)
);

CREATE TABLE api_key (
    id text PRIMARY KEY,
    environment_id bigint NOT NULL REFERENCES environment (id),
    public_id text NOT NULL UNIQUE,
    secret_hash bytea NOT NULL,
    name text NOT NULL,
    scopes text NOT NULL,
    created_at bigint NOT NULL,
    revoked_at bigint
);

-- One process at a time does a piece of work. Its holder counts beat up; who wants the lease watches whether it does.
CREATE TABLE lease (
    name text PRIMARY KEY,
    holder text NOT NULL,
    fencing bigint NOT NULL,
    beat bigint NOT NULL
);

CREATE TABLE log (
    id bigint PRIMARY KEY,
    environment_id bigint NOT NULL REFERENCES environment (id),
    origin text NOT NULL UNIQUE,
    blinding_key bytea NOT NULL,
    size bigint NOT NULL DEFAULT 0,
    published_size bigint NOT NULL DEFAULT 0
);

CREATE TABLE log_entry (
    log_id bigint NOT NULL REFERENCES log (id),
    entry_index bigint NOT NULL,
    entry bytea NOT NULL,
    leaf_hash bytea NOT NULL,
    commitments bytea,
    PRIMARY KEY (log_id, entry_index)
);

-- Hashes of complete subtrees of 256, 65,536, ... entries: what the tiles above the first level hold.
CREATE TABLE log_node (
    log_id bigint NOT NULL REFERENCES log (id),
    level integer NOT NULL,
    node_index bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (log_id, level, node_index)
);

-- A slot is closed once: a second append of the same closed entry finds the first.
CREATE TABLE closed_slot (
    log_id bigint NOT NULL REFERENCES log (id),
    slot bytea NOT NULL,
    entry_index bigint NOT NULL,
    PRIMARY KEY (log_id, slot)
);

CREATE TABLE log_checkpoint (
    log_id bigint NOT NULL REFERENCES log (id),
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    published_at bigint NOT NULL,
    PRIMARY KEY (log_id, size)
);

-- Rows that change at each delta leave room in their page, so that the new version stays there and no index learns of it.
CREATE TABLE customer (
    shard_key bytea PRIMARY KEY,
    environment_id bigint NOT NULL REFERENCES environment (id),
    customer_id text COLLATE "C" NOT NULL,
    slot_key bytea NOT NULL,
    unit text,
    created_at bigint NOT NULL,
    last_sequence bigint NOT NULL,
    total numeric(50, 9) NOT NULL,
    last_recorded_at bigint NOT NULL,
    locked_through text COLLATE "C",
    locked_root bytea,
    locked_total numeric(50, 9) NOT NULL,
    locked_count bigint NOT NULL,
    last_checkpoint bigint NOT NULL
) WITH (fillfactor = 60);
CREATE INDEX customer_name ON customer (environment_id, customer_id);

-- Opening and closing leaves: with the deltas, all leaves of a month's tree.
CREATE TABLE leaf (
    shard_key bytea NOT NULL REFERENCES customer (shard_key),
    period text COLLATE "C" NOT NULL,
    closing boolean NOT NULL,
    leaf bytea NOT NULL,
    PRIMARY KEY (shard_key, period, closing)
);

CREATE TABLE period_head (
    shard_key bytea NOT NULL REFERENCES customer (shard_key),
    period text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    peaks bytea NOT NULL,
    spine bytea NOT NULL,
    merged bytea NOT NULL,
    total numeric(50, 9) NOT NULL,
    root bytea,
    first_recorded_at bigint,
    last_recorded_at bigint,
    PRIMARY KEY (shard_key, period)
) WITH (fillfactor = 60);
-- Hashes can't be compressed.
ALTER TABLE period_head
    ALTER COLUMN peaks SET STORAGE PLAIN, ALTER COLUMN spine SET STORAGE PLAIN, ALTER COLUMN merged SET STORAGE PLAIN;
-- The customers that have something in a month.
CREATE INDEX period_head_period ON period_head (period);

-- How far the log has a month: written by the integrator alone, so that it and the emits never wait for each other.
CREATE TABLE integrated_head (
    shard_key bytea NOT NULL,
    period text COLLATE "C" NOT NULL,
    frozen boolean NOT NULL DEFAULT false,
    integrated_size bigint NOT NULL DEFAULT 0,
    integrated_root bytea,
    integrated_peaks bytea,
    integrated_total numeric(50, 9),
    entry_index bigint,
    batch_index bigint,
    batch_size bigint,
    previous_size bigint NOT NULL DEFAULT 0,
    seal bytea,
    PRIMARY KEY (shard_key, period),
    FOREIGN KEY (shard_key, period) REFERENCES period_head (shard_key, period)
) WITH (fillfactor = 60);
ALTER TABLE integrated_head ALTER COLUMN integrated_peaks SET STORAGE PLAIN;

-- What the integrator has still to do: each commit adds the months it changed, the integrator removes those it has taken
-- up. Rows are only added and removed, so nobody waits for them either.
CREATE TABLE changed_head (
    shard_key bytea NOT NULL,
    period text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    environment_id bigint NOT NULL,
    PRIMARY KEY (shard_key, period, size)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE day_total (
    shard_key bytea NOT NULL REFERENCES customer (shard_key),
    day integer NOT NULL,
    total numeric(50, 9) NOT NULL,
    count bigint NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    PRIMARY KEY (shard_key, day)
) WITH (fillfactor = 60);

CREATE TABLE delta (
    shard_key bytea NOT NULL,
    sequence bigint NOT NULL,
    period text COLLATE "C" NOT NULL,
    leaf_index bigint NOT NULL,
    record_nonce bytea NOT NULL,
    delta numeric(50, 9) NOT NULL,
    period_total numeric(50, 9) NOT NULL,
    total numeric(50, 9) NOT NULL,
    posted_at bigint NOT NULL,
    recorded_at bigint NOT NULL,
    occurred_at bigint,
    adjusts text,
    context_hash bytea NOT NULL,
    leaf_hash bytea NOT NULL,
    context bytea,
    salt bytea,
    reference_mac bytea,
    body_mac bytea NOT NULL,
    receipt_key bigint NOT NULL,
    seal bytea NOT NULL,
    PRIMARY KEY (shard_key, sequence)
);
CREATE UNIQUE INDEX delta_leaf ON delta (shard_key, period, leaf_index);
CREATE UNIQUE INDEX delta_reference ON delta (shard_key, reference_mac) WHERE reference_mac IS NOT NULL;
CREATE INDEX delta_receipt ON delta (shard_key, receipt_key);

-- How far a customer's contexts were erased because they are older than the retention setting.
CREATE TABLE retention (
    shard_key bytea PRIMARY KEY REFERENCES customer (shard_key),
    through bigint NOT NULL
);

CREATE TABLE checkpoint (
    shard_key bytea NOT NULL REFERENCES customer (shard_key),
    number bigint NOT NULL,
    nonce bytea NOT NULL,
    environment_id bigint NOT NULL,
    locked boolean NOT NULL,
    period text COLLATE "C",
    start_at bigint,
    end_at bigint,
    proof_root bytea NOT NULL,
    delta_count bigint NOT NULL,
    net_change numeric(50, 9) NOT NULL,
    brought_forward numeric(50, 9) NOT NULL,
    starting_balance numeric(50, 9) NOT NULL,
    first_recorded_at bigint,
    last_recorded_at bigint,
    invoice_reference text,
    previous_checkpoint_id text,
    created_at bigint NOT NULL,
    parts text NOT NULL,
    seal bytea NOT NULL,
    PRIMARY KEY (shard_key, number)
);
CREATE UNIQUE INDEX checkpoint_nonce ON checkpoint (shard_key, nonce);
CREATE UNIQUE INDEX checkpoint_locked ON checkpoint (shard_key, period) WHERE locked;
CREATE INDEX checkpoint_created ON checkpoint (environment_id, created_at);

-- One row per proof root handed out: the only public value that carries no shard key.
CREATE TABLE proof_root (
    root bytea PRIMARY KEY,
    shard_key bytea NOT NULL,
    number bigint NOT NULL
);

CREATE TABLE idempotency (
    shard_key bytea NOT NULL REFERENCES customer (shard_key),
    key_hash bytea NOT NULL,
    sequence bigint,
    number bigint,
    body_mac bytea NOT NULL,
    seal bytea NOT NULL,
    PRIMARY KEY (shard_key, key_hash)
);

-- What a vendor says about a customer. It may change and be erased: it is no part of the record. The folded name is
-- for searching in any case, whatever the database's locale knows of that.
CREATE TABLE profile (
    shard_key bytea PRIMARY KEY REFERENCES customer (shard_key),
    display_name text NOT NULL,
    folded_name text NOT NULL,
    sharing_hint text,
    event_cadence text
);

-- Locking a month for all customers. `after` is the customerId up to which it is done.
CREATE TABLE job (
    id text PRIMARY KEY,
    environment_id bigint NOT NULL REFERENCES environment (id),
    period text COLLATE "C" NOT NULL,
    status text NOT NULL CHECK (status IN ('RUNNING', 'DONE')),
    total bigint NOT NULL,
    done bigint NOT NULL,
    failed bigint NOT NULL,
    after text COLLATE "C" NOT NULL,
    delta_count bigint NOT NULL,
    net_change numeric(50, 9) NOT NULL,
    started_at bigint NOT NULL,
    finished_at bigint
);
-- One job per month runs; the same request again finds it.
CREATE UNIQUE INDEX job_running ON job (environment_id, period) WHERE status = 'RUNNING';
-- The Idempotency-Keys that led to a job; several may lead to one.
CREATE TABLE job_key (
    key_hash bytea PRIMARY KEY,
    body_mac bytea NOT NULL,
    job text NOT NULL REFERENCES job (id)
);

CREATE TABLE job_failure (
    job text NOT NULL REFERENCES job (id),
    customer_id text COLLATE "C" NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (job, customer_id)
);
