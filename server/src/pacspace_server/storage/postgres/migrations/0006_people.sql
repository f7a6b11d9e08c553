-- Instants are the wall clock's, in microseconds. Tokens and passwords are here as hashes only.
CREATE TABLE workspace (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    created_at bigint NOT NULL,
    time_zone text NOT NULL,
    locale text NOT NULL,
    unit text,
    sharing_policy text NOT NULL CHECK (sharing_policy IN ('TWO_TIER', 'GATED', 'OPEN', 'OFF'))
);
-- The workspace that the record began with.
INSERT INTO workspace SELECT workspace_id, 'My workspace', created_at, 'UTC', 'en', NULL, 'TWO_TIER' FROM installation;

CREATE TABLE user_account (
    id text COLLATE "C" PRIMARY KEY,
    email text NOT NULL,
    folded_email text COLLATE "C" NOT NULL UNIQUE,
    name text NOT NULL,
    password_hash text,
    created_at bigint NOT NULL,
    disabled_at bigint
);

CREATE TABLE membership (
    workspace_id text COLLATE "C" NOT NULL REFERENCES workspace (id),
    user_id text COLLATE "C" NOT NULL REFERENCES user_account (id),
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'viewer')),
    PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX membership_by_user ON membership (user_id);

CREATE TABLE session (
    token_hash bytea PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL REFERENCES user_account (id),
    workspace_id text COLLATE "C" NOT NULL REFERENCES workspace (id),
    environment text NOT NULL CHECK (environment IN ('sandbox', 'production')),
    created_at bigint NOT NULL,
    last_seen_at bigint NOT NULL
);
CREATE INDEX session_by_user ON session (user_id);

CREATE TABLE one_time_link (
    token_hash bytea PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('setup', 'password')),
    user_id text COLLATE "C" REFERENCES user_account (id),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);

-- Only ever added to: the application's role may do no more. The id begins with the instant, so that it is in the order
-- of time.
CREATE TABLE audit_entry (
    id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL REFERENCES workspace (id),
    environment text NOT NULL,
    at bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    details text NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

-- A key that is switched off can be switched on again; a revoked one can't.
ALTER TABLE api_key ADD COLUMN disabled_at bigint;
ALTER TABLE api_key ADD COLUMN last_used_at bigint;
