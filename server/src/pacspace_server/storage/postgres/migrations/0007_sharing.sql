-- A customer's link: its name is made of the shard key and the nonce, its code of that and the version.
CREATE TABLE link (
    shard_key bytea PRIMARY KEY REFERENCES customer (shard_key) ON DELETE CASCADE,
    nonce bytea NOT NULL,
    version bigint NOT NULL,
    policy text
);
-- What the two sides say to each other. No part of the record, and never changed. Instants are the wall clock's.
CREATE TABLE note (
    shard_key bytea NOT NULL REFERENCES customer (shard_key) ON DELETE CASCADE,
    at bigint NOT NULL,
    id bytea NOT NULL,
    by_vendor boolean NOT NULL,
    author text,
    period text COLLATE "C",
    record_id text COLLATE "C",
    text text NOT NULL,
    PRIMARY KEY (shard_key, at, id)
);
-- Who looked, from when to when, by the wall clock. Addresses and browsers are shortened.
CREATE TABLE visit (
    shard_key bytea NOT NULL REFERENCES customer (shard_key) ON DELETE CASCADE,
    at bigint NOT NULL,
    visitor bytea NOT NULL,
    kind text COLLATE "C" NOT NULL,
    last_at bigint NOT NULL,
    times bigint NOT NULL,
    address text NOT NULL,
    agent text NOT NULL,
    PRIMARY KEY (shard_key, at, visitor, kind)
);
