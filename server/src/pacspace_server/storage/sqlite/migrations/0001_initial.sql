-- Amounts are integers of 10^-9 units where one row's value fits, canonical decimal text
-- where a sum has outgrown 64 bits (columns of sums therefore have no type).
-- Instants are UTC microseconds. Hashes are bytes. Tables of the record are rowid tables that only ever grow at the end.

CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    secret BLOB NOT NULL,
    workspace_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE environment (
    id INTEGER PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL CHECK (name IN ('sandbox', 'production')),
    log_id INTEGER NOT NULL,
    clock_at INTEGER,
    UNIQUE (workspace_id, name)
);

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    public_id TEXT NOT NULL UNIQUE,
    secret_hash BLOB NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
);

CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    origin TEXT NOT NULL UNIQUE,
    blinding_key BLOB NOT NULL,
    size INTEGER NOT NULL DEFAULT 0,
    published_size INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE log_entry (
    log_id INTEGER NOT NULL REFERENCES log (id),
    entry_index INTEGER NOT NULL,
    entry BLOB NOT NULL,
    leaf_hash BLOB NOT NULL,
    commitments BLOB,
    PRIMARY KEY (log_id, entry_index)
) WITHOUT ROWID;

-- Hashes of complete subtrees of 256, 65,536, ... entries: what the tiles above the first level hold.
CREATE TABLE log_node (
    log_id INTEGER NOT NULL REFERENCES log (id),
    level INTEGER NOT NULL,
    node_index INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (log_id, level, node_index)
) WITHOUT ROWID;

-- A slot is closed once: a second append of the same closed entry finds the first.
CREATE TABLE closed_slot (
    log_id INTEGER NOT NULL REFERENCES log (id),
    slot BLOB NOT NULL,
    entry_index INTEGER NOT NULL,
    PRIMARY KEY (log_id, slot)
) WITHOUT ROWID;

CREATE TABLE log_checkpoint (
    log_id INTEGER NOT NULL REFERENCES log (id),
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (log_id, size)
) WITHOUT ROWID;

CREATE TABLE customer (
    id INTEGER PRIMARY KEY,
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    shard_key BLOB NOT NULL UNIQUE,
    customer_id TEXT NOT NULL,
    slot_key BLOB NOT NULL,
    unit TEXT,
    created_at INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    total NOT NULL,
    last_recorded_at INTEGER NOT NULL,
    locked_through TEXT,
    locked_root BLOB,
    locked_total NOT NULL,
    locked_count INTEGER NOT NULL,
    UNIQUE (environment_id, customer_id)
);

CREATE TABLE period_head (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customer (id),
    period TEXT NOT NULL,
    opening BLOB NOT NULL,
    size INTEGER NOT NULL,
    peaks BLOB NOT NULL,
    spine BLOB NOT NULL,
    merged BLOB NOT NULL,
    total NOT NULL,
    closing BLOB,
    root BLOB,
    frozen INTEGER NOT NULL DEFAULT 0,
    first_recorded_at INTEGER,
    last_recorded_at INTEGER,
    integrated_size INTEGER NOT NULL DEFAULT 0,
    integrated_root BLOB,
    integrated_peaks BLOB,
    integrated_total,
    entry_index INTEGER,
    batch_index INTEGER,
    batch_size INTEGER,
    previous_size INTEGER NOT NULL DEFAULT 0,
    seal BLOB,
    UNIQUE (customer, period)
);
-- What the integrator has still to do: small whenever it keeps up.
CREATE INDEX period_head_changed ON period_head (id) WHERE size > integrated_size AND frozen = 0;

CREATE TABLE day_total (
    customer INTEGER NOT NULL REFERENCES customer (id),
    day INTEGER NOT NULL,
    total NOT NULL,
    count INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    PRIMARY KEY (customer, day)
) WITHOUT ROWID;

CREATE TABLE delta (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customer (id),
    period_id INTEGER NOT NULL REFERENCES period_head (id),
    leaf_index INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    record_nonce BLOB NOT NULL,
    delta INTEGER NOT NULL,
    period_total NOT NULL,
    total NOT NULL,
    posted_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    occurred_at INTEGER,
    adjusts TEXT,
    context_hash BLOB NOT NULL,
    leaf_hash BLOB NOT NULL,
    context BLOB,
    salt BLOB,
    reference_mac BLOB,
    body_mac BLOB NOT NULL,
    receipt_key INTEGER NOT NULL,
    seal BLOB NOT NULL
);
CREATE UNIQUE INDEX delta_sequence ON delta (customer, sequence);
CREATE UNIQUE INDEX delta_leaf ON delta (period_id, leaf_index);
CREATE UNIQUE INDEX delta_reference ON delta (reference_mac) WHERE reference_mac IS NOT NULL;
CREATE INDEX delta_receipt ON delta (receipt_key);

CREATE TABLE idempotency (
    key_hash BLOB PRIMARY KEY,
    delta INTEGER REFERENCES delta (id),
    checkpoint INTEGER REFERENCES checkpoint (id),
    body_mac BLOB NOT NULL,
    seal BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE checkpoint (
    id INTEGER PRIMARY KEY,
    checkpoint_id TEXT NOT NULL UNIQUE,
    customer INTEGER NOT NULL REFERENCES customer (id),
    locked INTEGER NOT NULL,
    period TEXT,
    start_at INTEGER,
    end_at INTEGER,
    proof_root BLOB NOT NULL,
    delta_count INTEGER NOT NULL,
    net_change NOT NULL,
    brought_forward NOT NULL,
    starting_balance NOT NULL,
    first_recorded_at INTEGER,
    last_recorded_at INTEGER,
    invoice_reference TEXT,
    previous_checkpoint_id TEXT,
    created_at INTEGER NOT NULL,
    parts TEXT NOT NULL,
    seal BLOB NOT NULL
);
CREATE UNIQUE INDEX checkpoint_locked ON checkpoint (customer, period) WHERE locked = 1;
CREATE INDEX checkpoint_customer ON checkpoint (customer, id);

-- One row per proof root handed out: the only public value that carries no shard key.
CREATE TABLE proof_root (
    root BLOB PRIMARY KEY,
    checkpoint INTEGER NOT NULL REFERENCES checkpoint (id)
) WITHOUT ROWID;
