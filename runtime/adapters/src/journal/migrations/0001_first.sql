-- The first schema. Times are Unix seconds, money is whole msat, names are 64 lowercase hex digits.
-- The documented queries read `jobs.status` and `earnings`; their columns keep name and meaning for good.

-- One row per job; the columns written once and the long ones come last, so that counting reads little.
CREATE TABLE jobs (
    id              TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 64),
    kind            INTEGER NOT NULL,
    customer_pubkey TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('received', 'awaiting_payment', 'processing', 'completed', 'failed', 'cancelled')),
    delivery        TEXT NOT NULL CHECK (delivery IN ('none', 'in_review', 'queued', 'delivered', 'failed')),
    invoicing       TEXT NOT NULL CHECK (invoicing IN ('none', 'created', 'open', 'expired', 'cancelled')),
    settlement      TEXT NOT NULL CHECK (settlement IN ('none', 'pending', 'held', 'paid', 'unpaid', 'cancelled', 'refund_due', 'refunded')),
    -- 1 once nothing more is awaited: no work, no delivery, no money.
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
    failure         TEXT,
    invoice         TEXT,
    evidence        TEXT,
    plan            TEXT NOT NULL,
    request         TEXT NOT NULL,
    output          TEXT
);
CREATE INDEX jobs_open ON jobs (closed, received_at) WHERE closed = 0;
CREATE INDEX jobs_failed ON jobs (status, received_at) WHERE status = 'failed';
CREATE UNIQUE INDEX jobs_by_payment ON jobs (payment_hash) WHERE payment_hash IS NOT NULL;

-- Requests not taken: kept until they are too old to be taken, so that their ids stay known.
CREATE TABLE refusals (
    id              TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 64),
    kind            INTEGER NOT NULL,
    customer_pubkey TEXT NOT NULL,
    code            TEXT NOT NULL,
    error_message   TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    refused_at      INTEGER NOT NULL
);
CREATE INDEX refusals_by_age ON refusals (created_at);

-- What guests were asked and answered. `job_id` may name a refused request, so it refers to no table.
CREATE TABLE decisions (
    id         INTEGER PRIMARY KEY,
    job_id     TEXT NOT NULL,
    slot       TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    TEXT NOT NULL,
    digest     TEXT NOT NULL,
    function   TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    input      TEXT NOT NULL,
    output     TEXT,
    fault      TEXT,
    fuel       INTEGER,
    cpu_micros INTEGER,
    micros     INTEGER NOT NULL,
    decided_at INTEGER NOT NULL,
    CHECK ((output IS NULL) <> (fault IS NULL)),
    CHECK ((fuel IS NULL) <> (cpu_micros IS NULL))
);
CREATE INDEX decisions_by_job ON decisions (job_id);

-- Every invoice a job ever had, dated by the commits that saw it made and paid.
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

-- Money that is ours. One payment is earned once for each source.
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

-- Messages still to be sent, in the order in which they were written; a row leaves when its message has.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    job_id     TEXT NOT NULL,
    is_result  INTEGER NOT NULL CHECK (is_result IN (0, 1)),
    bytes      TEXT NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX outbox_by_sort ON outbox (is_result, seq);

-- Sums over `jobs` and `earnings`, written with them, so that no question grows with their number.
CREATE TABLE tallies (
    scope          TEXT NOT NULL CHECK (scope IN ('customer', 'kind', 'source')),
    key            TEXT NOT NULL,
    first_seen     INTEGER,
    jobs_completed INTEGER NOT NULL DEFAULT 0,
    jobs_unpaid    INTEGER NOT NULL DEFAULT 0,
    paid_msats     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;

-- The money of `tallies` by UTC day, for what is recent.
CREATE TABLE tally_days (
    scope      TEXT NOT NULL,
    key        TEXT NOT NULL,
    day        INTEGER NOT NULL,
    paid_msats INTEGER NOT NULL,
    PRIMARY KEY (scope, key, day)
) WITHOUT ROWID;
