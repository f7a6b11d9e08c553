-- Instants are the wall clock's, in microseconds. Tokens and passwords are here as hashes only.
CREATE TABLE workspace (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    locale TEXT NOT NULL,
    unit TEXT,
    sharing_policy TEXT NOT NULL CHECK (sharing_policy IN ('TWO_TIER', 'GATED', 'OPEN', 'OFF'))
) WITHOUT ROWID;
-- The workspace that the record began with.
INSERT INTO workspace SELECT workspace_id, 'My workspace', created_at, 'UTC', 'en', NULL, 'TWO_TIER' FROM installation;

CREATE TABLE user_account (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    folded_email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER
) WITHOUT ROWID;

CREATE TABLE membership (
    workspace_id TEXT NOT NULL REFERENCES workspace (id),
    user_id TEXT NOT NULL REFERENCES user_account (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'viewer')),
    PRIMARY KEY (workspace_id, user_id)
) WITHOUT ROWID;
CREATE INDEX membership_by_user ON membership (user_id);

CREATE TABLE session (
    token_hash BLOB PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    workspace_id TEXT NOT NULL REFERENCES workspace (id),
    environment TEXT NOT NULL CHECK (environment IN ('sandbox', 'production')),
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_by_user ON session (user_id);

CREATE TABLE one_time_link (
    token_hash BLOB PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('setup', 'password')),
    user_id TEXT REFERENCES user_account (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Only ever added to. The id begins with the instant, so that it is in the order of time.
CREATE TABLE audit_entry (
    id TEXT NOT NULL,
    workspace_id TEXT NOT NULL REFERENCES workspace (id),
    environment TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (workspace_id, id)
) WITHOUT ROWID;
CREATE TRIGGER audit_entry_stays BEFORE UPDATE ON audit_entry
BEGIN SELECT raise(ABORT, 'the audit trail is only ever added to'); END;
CREATE TRIGGER audit_entry_is_kept BEFORE DELETE ON audit_entry
BEGIN SELECT raise(ABORT, 'the audit trail is only ever added to'); END;

-- A key that is switched off can be switched on again; a revoked one can't.
ALTER TABLE api_key ADD COLUMN disabled_at INTEGER;
ALTER TABLE api_key ADD COLUMN last_used_at INTEGER;
