-- What was written of a job is kept for a while, its numbers for good.

-- Since when the texts of a row are gone: request, output and words of guests of a job, output and evidence of a decision.
ALTER TABLE jobs ADD COLUMN text_gone_at INTEGER;
ALTER TABLE decisions ADD COLUMN text_gone_at INTEGER;

-- Finished jobs whose texts are kept, the oldest first, and how many bytes those are in all.
CREATE TABLE texts_kept (
    ended_at INTEGER NOT NULL,
    job_id   TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (ended_at, job_id)
) WITHOUT ROWID;
CREATE TABLE texts_kept_total (bytes INTEGER NOT NULL);
INSERT INTO texts_kept_total VALUES (0);
CREATE TRIGGER texts_kept_more AFTER INSERT ON texts_kept BEGIN
    UPDATE texts_kept_total SET bytes = bytes + new.bytes;
END;
CREATE TRIGGER texts_kept_less AFTER DELETE ON texts_kept BEGIN
    UPDATE texts_kept_total SET bytes = bytes - old.bytes;
END;
INSERT INTO texts_kept (ended_at, job_id, bytes)
    SELECT coalesce(completed_at, received_at), id, octet_length(request) + coalesce(octet_length(output), 0) FROM jobs
    WHERE closed = 1 AND delivery <> 'in_review' AND NOT json_extract(request, '$.confidential');

-- Digests of confidential outputs were without a key until now: who guessed a text could tell.
UPDATE decisions SET output = json_replace(output, '$.Ok.content', 'text no longer kept', '$.Ok.attributes', json('[]')),
                     text_gone_at = decided_at
    WHERE function = 'run' AND output IS NOT NULL
      AND job_id IN (SELECT id FROM jobs WHERE json_extract(request, '$.confidential'));

-- Money that is owed back is asked for with every status.
CREATE INDEX jobs_refund_due ON jobs (settlement, paid_msats) WHERE settlement = 'refund_due';
