-- Delivered results that were paid, which pricing may ask for.
ALTER TABLE totals ADD COLUMN jobs_paid INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET jobs_paid = paid.jobs
FROM (SELECT 'customer' AS scope, customer_pubkey AS key, count(*) AS jobs FROM jobs
      WHERE status = 'completed' AND settlement = 'paid' GROUP BY customer_pubkey
      UNION ALL
      SELECT 'kind', CAST(kind AS TEXT), count(*) FROM jobs
      WHERE status = 'completed' AND settlement = 'paid' GROUP BY kind) AS paid
WHERE totals.scope = paid.scope AND totals.key = paid.key;
