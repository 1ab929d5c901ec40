-- What was decided can be asked again, and what is missing or was changed is found.

-- 16 bytes of HMAC-SHA-256 over the row, under a key of the node. Rows from before this have none.
ALTER TABLE decisions ADD COLUMN seal BLOB;

-- The first and the last decision that has a seal.
CREATE TABLE decisions_sealed (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    seal  BLOB NOT NULL
);

-- Decisions that were forgotten with the requests that they refused, from one number to another. Between two such rows a decision is kept.
CREATE TABLE decisions_forgotten (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL,
    seal  BLOB
);

-- What is kept of a request that guests have refused: its outline, so that others can be asked the same. Those are kept for longer.
ALTER TABLE refusals ADD COLUMN job TEXT;
DROP INDEX refusals_by_age;
CREATE INDEX refusals_by_age ON refusals (created_at) WHERE job IS NULL;
CREATE INDEX refusals_kept ON refusals (created_at) WHERE job IS NOT NULL;
