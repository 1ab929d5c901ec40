-- The schema. Times are Unix seconds, money is whole msat, ids are 64 lowercase hex digits.
-- The documented queries read `jobs.status` and `earnings`: their columns keep name and meaning.

-- One row per job. The long columns and those written once come last, so that counting reads
-- little.
CREATE TABLE jobs (
    id              TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 64),
    kind            INTEGER NOT NULL,
    customer_pubkey TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('received', 'awaiting_payment', 'processing', 'completed', 'failed', 'cancelled')),
    delivery        TEXT NOT NULL CHECK (delivery IN ('none', 'in_review', 'queued', 'delivered', 'failed')),
    invoicing       TEXT NOT NULL CHECK (invoicing IN ('none', 'created', 'open', 'expired', 'cancelled')),
    settlement      TEXT NOT NULL CHECK (settlement IN ('none', 'pending', 'held', 'paid', 'unpaid', 'cancelled', 'refund_due', 'refunded')),
    -- 1 once no work, no delivery and no payment is pending.
    closed          INTEGER NOT NULL CHECK (closed IN (0, 1)),
    attempt         INTEGER NOT NULL,
    route           INTEGER NOT NULL,
    price_msats     INTEGER NOT NULL,
    due_msats       INTEGER NOT NULL,
    paid_msats      INTEGER NOT NULL,
    payment_hash    TEXT,
    error_message   TEXT,
    created_at      INTEGER NOT NULL,
    received_at     INTEGER NOT NULL,
    started_at      INTEGER,
    completed_at    INTEGER,
    -- When request, output and the texts of guests were deleted.
    text_purged_at  INTEGER,
    failure         TEXT,
    invoice         TEXT,
    evidence        TEXT,
    plan            TEXT NOT NULL,
    request         TEXT NOT NULL,
    output          TEXT,
    -- Request and output of a confidential job as JSON, encrypted with a key of the node, while the
    -- job needs them. The other columns of such a job never contain text.
    encrypted_text  BLOB
);
CREATE INDEX jobs_open ON jobs (closed, received_at) WHERE closed = 0;
CREATE INDEX jobs_failed ON jobs (status, received_at) WHERE status = 'failed';
CREATE UNIQUE INDEX jobs_by_payment ON jobs (payment_hash) WHERE payment_hash IS NOT NULL;
CREATE INDEX jobs_refund_due ON jobs (settlement, paid_msats) WHERE settlement = 'refund_due';

-- Finished jobs whose texts are kept, the oldest first, and the sum of their bytes.
CREATE TABLE retained_texts (
    ended_at INTEGER NOT NULL,
    job_id   TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (ended_at, job_id)
) WITHOUT ROWID;
CREATE TABLE retained_texts_total (bytes INTEGER NOT NULL);
INSERT INTO retained_texts_total VALUES (0);
CREATE TRIGGER retained_texts_added AFTER INSERT ON retained_texts BEGIN
    UPDATE retained_texts_total SET bytes = bytes + new.bytes;
END;
CREATE TRIGGER retained_texts_removed AFTER DELETE ON retained_texts BEGIN
    UPDATE retained_texts_total SET bytes = bytes - old.bytes;
END;

-- Refused requests. Their ids stay known until the requests are too old to be accepted. If guests
-- decided about a request, `request` keeps what policies saw of it, so that other guests can be
-- asked the same; such rows are kept longer.
CREATE TABLE refusals (
    id              TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 64),
    kind            INTEGER NOT NULL,
    customer_pubkey TEXT NOT NULL,
    code            TEXT NOT NULL,
    error_message   TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    refused_at      INTEGER NOT NULL,
    request         TEXT
);
CREATE INDEX refusals_by_age ON refusals (created_at) WHERE request IS NULL;
CREATE INDEX refusals_with_request_by_age ON refusals (created_at) WHERE request IS NOT NULL;

-- Questions to guests and their answers. `job_id` may name a refused request, so it has no foreign
-- key.
CREATE TABLE decisions (
    id             INTEGER PRIMARY KEY,
    job_id         TEXT NOT NULL,
    slot           TEXT NOT NULL,
    name           TEXT NOT NULL,
    version        TEXT NOT NULL,
    digest         TEXT NOT NULL,
    function       TEXT NOT NULL,
    attempt        INTEGER NOT NULL,
    input          TEXT NOT NULL,
    output         TEXT,
    fault          TEXT,
    fuel           INTEGER,
    cpu_us         INTEGER,
    wall_us        INTEGER NOT NULL,
    decided_at     INTEGER NOT NULL,
    -- The revision of the guest set that the guest belonged to.
    revision       INTEGER NOT NULL,
    engine         TEXT NOT NULL,
    -- When output and evidence were replaced by digests.
    text_purged_at INTEGER,
    -- 16 bytes of HMAC-SHA-256 over the row, under a key of the node.
    mac            BLOB,
    CHECK ((output IS NULL) <> (fault IS NULL)),
    CHECK ((fuel IS NULL) <> (cpu_us IS NULL))
);
CREATE INDEX decisions_by_job ON decisions (job_id);

-- The first and the last decision with a MAC.
CREATE TABLE decision_log_head (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    mac   BLOB NOT NULL
);

-- Ranges of decisions that were deleted together with their refused requests. Between two ranges at
-- least one decision is left.
CREATE TABLE purged_decisions (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL,
    mac   BLOB
);

-- Every invoice of every job, dated by the commits that recorded its creation and payment.
CREATE TABLE invoices (
    id                INTEGER PRIMARY KEY,
    job_id            TEXT NOT NULL REFERENCES jobs (id),
    bolt11            TEXT NOT NULL,
    payment_hash      TEXT NOT NULL UNIQUE,
    amount_msats      INTEGER NOT NULL,
    status            TEXT NOT NULL CHECK (status IN ('pending', 'held', 'paid', 'expired', 'cancelled')),
    paid_amount_msats INTEGER,
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    paid_at           INTEGER
);
CREATE INDEX invoices_by_job ON invoices (job_id);

-- Received money. One payment is earned once for each source.
CREATE TABLE earnings (
    id           INTEGER PRIMARY KEY,
    job_id       TEXT NOT NULL REFERENCES jobs (id),
    amount_msats INTEGER NOT NULL CHECK (amount_msats >= 0),
    source       TEXT NOT NULL CHECK (source IN ('job', 'tip', 'other')),
    payment_hash TEXT NOT NULL,
    earned_at    INTEGER NOT NULL,
    UNIQUE (payment_hash, source)
);
CREATE INDEX earnings_by_job ON earnings (job_id);
CREATE INDEX earnings_by_time ON earnings (earned_at);

-- Messages still to be sent, in the order in which they were written. A row is deleted once its
-- message is sent.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    job_id     TEXT NOT NULL,
    is_result  INTEGER NOT NULL CHECK (is_result IN (0, 1)),
    bytes      TEXT NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX outbox_by_sort ON outbox (is_result, seq);

-- Sums over `jobs` and `earnings`, updated in the same transaction, so that no query grows with the
-- number of their rows.
CREATE TABLE totals (
    scope          TEXT NOT NULL CHECK (scope IN ('customer', 'kind', 'source')),
    key            TEXT NOT NULL,
    first_seen     INTEGER,
    jobs_completed INTEGER NOT NULL DEFAULT 0,
    jobs_unpaid    INTEGER NOT NULL DEFAULT 0,
    paid_msats     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;

-- The money of `totals` by UTC day.
CREATE TABLE daily_totals (
    scope      TEXT NOT NULL,
    key        TEXT NOT NULL,
    day        INTEGER NOT NULL,
    paid_msats INTEGER NOT NULL,
    PRIMARY KEY (scope, key, day)
) WITHOUT ROWID;

-- The history of the slots: one row per change. Its number is the revision of the whole guest set
-- from then on. Jobs (in `plan`) and decisions refer to it, so settings and limits of a decision
-- are found here. A change without `digest` empties the slot.
CREATE TABLE slot_changes (
    revision     INTEGER PRIMARY KEY CHECK (revision > 0),
    slot         TEXT NOT NULL,
    digest       TEXT,
    name         TEXT,
    version      TEXT,
    source       TEXT,
    settings     TEXT,
    grants       TEXT,
    limits       TEXT,
    publisher    TEXT,
    config       TEXT NOT NULL,
    cause        TEXT NOT NULL,
    installed_at INTEGER NOT NULL
);

-- Changes of slots and attempts at them. Append-only, apart from old rows that are pruned.
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

-- Guests next to a slot: one that requests more than the slot was granted and waits for approval,
-- and one that answers the same questions as the active guest.
CREATE TABLE pending_guests (
    slot         TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('approval', 'shadow')),
    guest        TEXT NOT NULL,
    extra_grants TEXT NOT NULL,
    since        INTEGER NOT NULL,
    PRIMARY KEY (slot, kind)
) WITHOUT ROWID;

-- Answers of shadow guests. The question and the active guest's answer are in `decisions`.
CREATE TABLE shadow_answers (
    decision_id INTEGER NOT NULL,
    slot        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    output      TEXT,
    fault       TEXT,
    fuel        INTEGER NOT NULL,
    PRIMARY KEY (slot, digest, decision_id),
    CHECK ((output IS NULL) <> (fault IS NULL))
) WITHOUT ROWID;
CREATE INDEX shadow_answers_by_decision ON shadow_answers (decision_id);
