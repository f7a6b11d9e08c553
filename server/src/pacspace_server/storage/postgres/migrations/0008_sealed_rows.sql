-- A seal over every row that is shown: a value changed by another program is found when the row is read.
ALTER TABLE environment ADD COLUMN seal bytea;
ALTER TABLE workspace ADD COLUMN seal bytea;
ALTER TABLE profile ADD COLUMN seal bytea;
ALTER TABLE link ADD COLUMN seal bytea;
ALTER TABLE day_total ADD COLUMN seal bytea;
ALTER TABLE period_head ADD COLUMN state_seal bytea;
-- So that a missing log checkpoint shows.
ALTER TABLE log_checkpoint ADD COLUMN previous_size bigint;
-- These covered less.
UPDATE customer SET seal = NULL;
UPDATE log SET seal = NULL;
UPDATE integrated_head SET seal = NULL;
UPDATE log_checkpoint SET seal = NULL;
