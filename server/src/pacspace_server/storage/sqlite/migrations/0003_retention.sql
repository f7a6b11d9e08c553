-- How far contexts were erased because they are older than the retention setting: a delta's row number.
CREATE TABLE retention (
    environment_id INTEGER PRIMARY KEY REFERENCES environment (id),
    through INTEGER NOT NULL
);
