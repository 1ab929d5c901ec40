-- The last refusal of each relay of a message about a job, until the texts of the job are purged.
CREATE TABLE relay_refusals (
    job_id     TEXT NOT NULL REFERENCES jobs (id),
    relay      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, relay)
) WITHOUT ROWID;

-- A message supersedes the unsent feedback about its job.
CREATE INDEX outbox_by_job ON outbox (job_id);
