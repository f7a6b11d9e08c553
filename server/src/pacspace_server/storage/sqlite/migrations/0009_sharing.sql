-- A customer's link: its name is made of the shard key and the nonce, its code of that and the version.
CREATE TABLE link (
    customer INTEGER PRIMARY KEY REFERENCES customer (id),
    nonce BLOB NOT NULL,
    version INTEGER NOT NULL,
    policy TEXT
);
-- What the two sides say to each other. No part of the record, and never changed. Instants are the wall clock's.
CREATE TABLE note (
    customer INTEGER NOT NULL REFERENCES customer (id),
    at INTEGER NOT NULL,
    id BLOB NOT NULL,
    by_vendor INTEGER NOT NULL,
    author TEXT,
    period TEXT,
    record_id TEXT,
    text TEXT NOT NULL,
    PRIMARY KEY (customer, at, id)
) WITHOUT ROWID;
-- Who looked, from when to when, by the wall clock. Addresses and browsers are shortened.
CREATE TABLE visit (
    customer INTEGER NOT NULL REFERENCES customer (id),
    at INTEGER NOT NULL,
    visitor BLOB NOT NULL,
    kind TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    times INTEGER NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    PRIMARY KEY (customer, at, visitor, kind)
) WITHOUT ROWID;
