-- The gateway pool: gateways, their slots, and which organization is served where. Only what SQLite and PostgreSQL both
-- understand, as in the tables before.

CREATE TABLE gateways (
    id TEXT NOT NULL PRIMARY KEY,
    -- The one in Ganymede's own process is 'local'.
    place TEXT NOT NULL CHECK (place IN ('local', 'remote')),
    -- A gateway process listens on a base port plus this. Taken until the gateway is revoked.
    number BIGINT UNIQUE,
    -- Where Ganymede reaches it, once it has announced itself.
    listen TEXT,
    registered_at BIGINT NOT NULL,
    announced_at BIGINT,
    revoked_at BIGINT
);

CREATE TABLE slots (
    -- One number in the whole installation, never given twice.
    id BIGINT NOT NULL PRIMARY KEY,
    gateway_id TEXT NOT NULL REFERENCES gateways (id),
    -- 0: the gateway did not renew or did not answer. 1 again when it announces itself.
    ready BIGINT NOT NULL CHECK (ready IN (0, 1)),
    -- The gateway has fewer slots than it once had.
    retired BIGINT NOT NULL CHECK (retired IN (0, 1))
);

CREATE INDEX slots_of_gateway ON slots (gateway_id, id);

CREATE TABLE allocations (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    slot_id BIGINT NOT NULL REFERENCES slots (id),
    gateway_id TEXT NOT NULL REFERENCES gateways (id),
    -- 0 while it is a standby.
    epoch BIGINT NOT NULL,
    step TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    step_at BIGINT NOT NULL,
    -- SHA-256 of the id of the handshake that was given out.
    handshake_digest TEXT,
    handshake_used_at BIGINT,
    ended_at BIGINT,
    end_reason TEXT,
    -- 1: it ended while people were served, and the organization shall be served again.
    failover BIGINT NOT NULL CHECK (failover IN (0, 1))
);

-- The promises of the pool, whatever its code does.
CREATE UNIQUE INDEX one_allocation_of_an_org ON allocations (org_id) WHERE ended_at IS NULL AND step <> 'standby';
CREATE UNIQUE INDEX one_standby_of_an_org ON allocations (org_id) WHERE ended_at IS NULL AND step = 'standby';
CREATE UNIQUE INDEX one_allocation_in_a_slot ON allocations (slot_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX one_epoch_of_an_org ON allocations (org_id, epoch) WHERE epoch > 0;
CREATE INDEX failovers ON allocations (org_id) WHERE failover = 1;

-- What gateways keep with Ganymede beside documents.
CREATE TABLE gateway_states (
    org_id TEXT NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    -- AES-256-GCM, base64.
    sealed TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
