-- The key that a log is verified with is public, and must outlive the folder of signing keys. A log that goes on from a
-- backup of another one says so: canonical JSON of that log's origin, size and root.
ALTER TABLE log ADD COLUMN verifier_key text, ADD COLUMN restored_from text, ADD COLUMN seal bytea;
-- Seals over what nothing else confirms. Rows of an earlier version have none.
ALTER TABLE log_checkpoint ADD COLUMN seal bytea;
ALTER TABLE customer ADD COLUMN seal bytea;

-- The ends of trees that were made anew in another log after a restore: roots that were handed out of them are still
-- recomputed. The deltas between are the same ones. Closing leaf and root are there if the month was locked.
CREATE TABLE replaced_tree (
    shard_key bytea NOT NULL REFERENCES customer (shard_key),
    period text COLLATE "C" NOT NULL,
    origin text COLLATE "C" NOT NULL,
    opening bytea NOT NULL,
    closing bytea,
    root bytea,
    seal bytea NOT NULL,
    PRIMARY KEY (shard_key, period, origin)
);
-- An emptied sandbox has none of these either.
CREATE OR REPLACE FUNCTION empty_sandbox(emptied bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pacspace, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM environment e WHERE e.id = emptied AND e.name = 'sandbox') THEN
        RAISE EXCEPTION 'environment % is no sandbox: its record is never emptied', emptied;
    END IF;
    -- The log first: an integrator that is at work has ended then, and the next one finds no log.
    PERFORM 1 FROM log l WHERE l.environment_id = emptied FOR UPDATE;
    -- Then its customers, so that whoever writes to one has ended, and what it wrote is seen below.
    PERFORM 1 FROM customer c WHERE c.environment_id = emptied ORDER BY c.shard_key FOR UPDATE;
    DELETE FROM profile x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM retention x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM idempotency x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM replaced_tree x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM proof_root x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM checkpoint x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM delta x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM day_total x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM changed_head x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM integrated_head x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM period_head x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM leaf x USING customer c WHERE c.environment_id = emptied AND x.shard_key = c.shard_key;
    DELETE FROM customer c WHERE c.environment_id = emptied;
    DELETE FROM job_failure x USING job j WHERE j.environment_id = emptied AND x.job = j.id;
    DELETE FROM job_key x USING job j WHERE j.environment_id = emptied AND x.job = j.id;
    DELETE FROM job j WHERE j.environment_id = emptied;
    DELETE FROM log_entry x USING log l WHERE l.environment_id = emptied AND x.log_id = l.id;
    DELETE FROM log_node x USING log l WHERE l.environment_id = emptied AND x.log_id = l.id;
    DELETE FROM closed_slot x USING log l WHERE l.environment_id = emptied AND x.log_id = l.id;
    DELETE FROM log_checkpoint x USING log l WHERE l.environment_id = emptied AND x.log_id = l.id;
    DELETE FROM log l WHERE l.environment_id = emptied;
END
$$;
