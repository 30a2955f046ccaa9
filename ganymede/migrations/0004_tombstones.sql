-- Organizations and projects that were deleted. What is left of them elsewhere goes only if it says so here: what is not known
-- may be another installation's, or be known again once a backup is restored.
CREATE TABLE tombstones (
    id TEXT NOT NULL PRIMARY KEY
);
