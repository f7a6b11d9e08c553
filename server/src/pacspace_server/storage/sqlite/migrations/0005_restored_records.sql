-- The key that a log is verified with is public, and must outlive the folder of signing keys. A log that goes on from a
-- backup of another one says so: canonical JSON of that log's origin, size and root.
ALTER TABLE log ADD COLUMN verifier_key TEXT;
ALTER TABLE log ADD COLUMN restored_from TEXT;
-- Seals over what nothing else confirms. Rows of an earlier version have none.
ALTER TABLE log ADD COLUMN seal BLOB;
ALTER TABLE log_checkpoint ADD COLUMN seal BLOB;
ALTER TABLE customer ADD COLUMN seal BLOB;

-- The ends of trees that were made anew in another log after a restore: roots that were handed out of them are still
-- recomputed. The deltas between are the same ones. Closing leaf and root are there if the month was locked.
CREATE TABLE replaced_tree (
    customer INTEGER NOT NULL REFERENCES customer (id),
    period TEXT NOT NULL,
    origin TEXT NOT NULL,
    opening BLOB NOT NULL,
    closing BLOB,
    root BLOB,
    seal BLOB NOT NULL,
    PRIMARY KEY (customer, period, origin)
) WITHOUT ROWID;
