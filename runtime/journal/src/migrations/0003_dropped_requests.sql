-- Requests that were dropped without an answer, by hour since the Unix epoch.
CREATE TABLE dropped_requests (
    hour INTEGER PRIMARY KEY,
    jobs INTEGER NOT NULL
);
