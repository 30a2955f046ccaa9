-- What gateways keep of projects beside documents: where services of containers listen, and secrets of containers. It ends
-- with the project.
CREATE TABLE project_notes (
    project_id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL,
    -- AES-256-GCM, base64.
    sealed TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    FOREIGN KEY (project_id, org_id) REFERENCES projects (id, org_id) ON DELETE CASCADE
);
