-- Where events are sent, and how far each has come in the feed. Secrets are derived, so none is here. Wall clock.
CREATE TABLE endpoint (
    id text COLLATE "C" PRIMARY KEY,
    environment_id bigint NOT NULL REFERENCES environment (id),
    url text NOT NULL,
    description text,
    events text,
    enabled boolean NOT NULL,
    secret_version bigint NOT NULL,
    rotated_at bigint,
    created_at bigint NOT NULL,
    position bigint NOT NULL,
    item bigint NOT NULL,
    last_triggered_at bigint,
    success_count bigint NOT NULL,
    failure_count bigint NOT NULL,
    failing_since bigint,
    disabled_at bigint,
    disabled_reason text
) WITH (fillfactor = 60);

-- The last position that was given out, and until when the feed is kept for whoever follows it. Whoever adds to a feed holds
-- this row to the end of the transaction, so positions are in the order of the commits.
CREATE TABLE feed (
    environment_id bigint PRIMARY KEY REFERENCES environment (id),
    position bigint NOT NULL,
    followed_until bigint NOT NULL
) WITH (fillfactor = 60);

-- What is told, in the order of the commits: a row is one event, or the deltas of a month between two leaf indexes. Like the
-- log it belongs to an environment, not to a customer.
CREATE TABLE outbox (
    environment_id bigint NOT NULL,
    position bigint NOT NULL,
    kind integer NOT NULL,
    shard_key bytea,
    period text COLLATE "C",
    first_item bigint NOT NULL,
    last_item bigint NOT NULL,
    log_id bigint,
    entry_index bigint,
    subject bytea NOT NULL,
    data text,
    told_at bigint NOT NULL,
    PRIMARY KEY (environment_id, position)
);
CREATE INDEX outbox_month ON outbox (shard_key, period, last_item) WHERE period IS NOT NULL;

-- One event on its way to one endpoint, after its first attempt: 0 pending, 1 delivered, 2 failed. Most are delivered at the
-- first attempt, which touches neither index.
CREATE TABLE delivery (
    environment_id bigint NOT NULL,
    position bigint NOT NULL,
    item bigint NOT NULL,
    endpoint text COLLATE "C" NOT NULL,
    status integer NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at bigint,
    status_code bigint,
    error text,
    created_at bigint NOT NULL,
    attempted_at bigint NOT NULL,
    PRIMARY KEY (environment_id, position, item, endpoint)
);
CREATE INDEX delivery_due ON delivery (endpoint, next_attempt_at) WHERE status = 0;
CREATE INDEX delivery_undelivered ON delivery (environment_id, status, position) WHERE status <> 1;

-- Which processes send at the moment: each counts its beat up, and watches whether the others do.
CREATE TABLE sender (
    name text COLLATE "C" PRIMARY KEY,
    beat bigint NOT NULL
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
    DELETE FROM delivery d WHERE d.environment_id = emptied;
    DELETE FROM outbox o WHERE o.environment_id = emptied;
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
