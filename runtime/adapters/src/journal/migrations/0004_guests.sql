-- The history of the slots: one row for each change. Its number names the whole set of guests since then, and jobs (in `plan`) and decisions keep
-- it, so settings and limits of a decision are found here. An empty `digest` empties the slot.
CREATE TABLE generations (
    generation   INTEGER PRIMARY KEY CHECK (generation > 0),
    slot         TEXT NOT NULL,
    digest       TEXT,
    name         TEXT,
    version      TEXT,
    source       TEXT,
    settings     TEXT,
    grants       TEXT,
    limits       TEXT,
    publisher    TEXT,
    stanza       TEXT NOT NULL,
    why          TEXT NOT NULL,
    installed_at INTEGER NOT NULL
);

-- What was done to slots or tried: only ever added to.
CREATE TABLE audit (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    action    TEXT NOT NULL,
    slot      TEXT NOT NULL,
    digest    TEXT,
    guest     TEXT NOT NULL,
    publisher TEXT,
    outcome   TEXT NOT NULL,
    detail    TEXT NOT NULL
);

-- Of decisions made before this: 0 and nothing.
ALTER TABLE decisions ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decisions ADD COLUMN engine TEXT NOT NULL DEFAULT '';
