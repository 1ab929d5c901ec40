-- The text of a confidential job while it is worked on: request and output as JSON, sealed with a key of the node. Its other columns have no
-- text at any time.
ALTER TABLE jobs ADD COLUMN sealed BLOB;
