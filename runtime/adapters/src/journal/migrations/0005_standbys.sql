-- Guests that stand beside a slot: one that wants more than the slot had, and one that is asked beside the active one.
CREATE TABLE standbys (
    slot    TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('approval', 'shadow')),
    guest   TEXT NOT NULL,
    beyond  TEXT NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (slot, purpose)
) WITHOUT ROWID;

-- What a shadow said to the question of a decision; the question and the active guest's answer are there.
CREATE TABLE shadows (
    decision_id INTEGER NOT NULL,
    slot        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    output      TEXT,
    fault       TEXT,
    fuel        INTEGER NOT NULL,
    PRIMARY KEY (slot, digest, decision_id),
    CHECK ((output IS NULL) <> (fault IS NULL))
) WITHOUT ROWID;
CREATE INDEX shadows_by_decision ON shadows (decision_id);
