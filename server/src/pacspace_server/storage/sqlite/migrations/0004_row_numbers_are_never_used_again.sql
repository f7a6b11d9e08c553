-- Without AUTOINCREMENT an emptied sandbox frees its row numbers, and whoever still holds one finds another's row.

CREATE TABLE customer_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
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
INSERT INTO customer_new SELECT * FROM customer;
DROP TABLE customer;
ALTER TABLE customer_new RENAME TO customer;

CREATE TABLE period_head_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
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
INSERT INTO period_head_new SELECT * FROM period_head;
DROP TABLE period_head;
ALTER TABLE period_head_new RENAME TO period_head;
CREATE INDEX period_head_changed ON period_head (id) WHERE size > integrated_size AND frozen = 0;
CREATE INDEX period_head_period ON period_head (period, customer);

CREATE TABLE checkpoint_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
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
INSERT INTO checkpoint_new SELECT * FROM checkpoint;
DROP TABLE checkpoint;
ALTER TABLE checkpoint_new RENAME TO checkpoint;
CREATE UNIQUE INDEX checkpoint_locked ON checkpoint (customer, period) WHERE locked = 1;
CREATE INDEX checkpoint_customer ON checkpoint (customer, id);
