-- A seal over every row that is shown: a value changed by another program is found when the row is read.
ALTER TABLE environment ADD COLUMN seal BLOB;
ALTER TABLE workspace ADD COLUMN seal BLOB;
ALTER TABLE profile ADD COLUMN seal BLOB;
ALTER TABLE link ADD COLUMN seal BLOB;
ALTER TABLE day_total ADD COLUMN seal BLOB;
ALTER TABLE period_head ADD COLUMN state_seal BLOB;
-- So that a missing log checkpoint shows.
ALTER TABLE log_checkpoint ADD COLUMN previous_size INTEGER;
-- These covered less.
UPDATE customer SET seal = NULL;
UPDATE log SET seal = NULL;
UPDATE period_head SET seal = NULL;
UPDATE log_checkpoint SET seal = NULL;
