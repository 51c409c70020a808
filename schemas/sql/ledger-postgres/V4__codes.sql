-- Codes that are typed: 1 for a device chain of which one was taken in. A return code names its chain by the beginning.

ALTER TABLE chains ADD COLUMN coded BIGINT;

CREATE INDEX chains_by_name ON chains (chain, license_id, coded);
