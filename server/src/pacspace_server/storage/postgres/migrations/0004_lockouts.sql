-- Who tried too often: a key names a door and whoever knocks there. Instants are the wall clock's, in microseconds.
CREATE TABLE lockout (
    key text COLLATE "C" PRIMARY KEY,
    failures bigint NOT NULL,
    since bigint NOT NULL,
    locked_until bigint NOT NULL
);
