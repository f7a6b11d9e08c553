-- Who tried too often: a key names a door and whoever knocks there. Instants are the wall clock's, in microseconds.
CREATE TABLE lockout (
    key TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    since INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
) WITHOUT ROWID;
