-- People, organizations, projects. Only what SQLite and PostgreSQL both understand: TEXT and BIGINT; ids are hyphenated
-- UUIDs, times are unix milliseconds, truth is 0 or 1, digests are hexadecimal SHA-256.

-- One row. Whoever puts their id into it first is the administrator.
CREATE TABLE installation (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    first_user TEXT
);

INSERT INTO installation (id, first_user) VALUES (1, NULL);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- A PHC string (argon2id).
    password TEXT NOT NULL,
    administrator BIGINT NOT NULL CHECK (administrator IN (0, 1)),
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    -- SHA-256 of the secret that the browser holds.
    digest TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    renewed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX sessions_of_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
    -- The part of the key that may be shown.
    id TEXT NOT NULL PRIMARY KEY,
    -- SHA-256 of the whole key.
    digest TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- Joined by spaces.
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at BIGINT
);

CREATE INDEX api_keys_of_user ON api_keys (user_id, created_at);

CREATE TABLE orgs (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- Grows with each change of members, roles and projects.
    version BIGINT NOT NULL,
    -- Grows with each allocation of a gateway.
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE org_members (
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('member', 'admin', 'owner')),
    added_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, user_id)
);

CREATE INDEX org_members_of_user ON org_members (user_id);

CREATE TABLE projects (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    active BIGINT NOT NULL CHECK (active IN (0, 1)),
    created_at BIGINT NOT NULL,
    last_started_at BIGINT,
    last_activity_at BIGINT,
    -- So that a role in a project can be tied to a membership of the same organization.
    UNIQUE (id, org_id)
);

CREATE INDEX projects_of_org ON projects (org_id, created_at);

-- Roles that differ from what the membership gives. They end with the membership and with the project.
CREATE TABLE project_members (
    project_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    PRIMARY KEY (project_id, user_id),
    FOREIGN KEY (project_id, org_id) REFERENCES projects (id, org_id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, user_id) REFERENCES org_members (org_id, user_id) ON DELETE CASCADE
);

CREATE INDEX project_members_of_member ON project_members (org_id, user_id);
