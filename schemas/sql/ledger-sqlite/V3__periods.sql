-- Sealed periods, and what a licence took back after its ledger was restored from a backup.
--
-- Both are projections. Ledgers made before have neither, and the defaults say so.

CREATE TABLE periods (
    license_id  BLOB    NOT NULL,
    feature     INTEGER NOT NULL,
    period      INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    early       INTEGER NOT NULL,
    used        INTEGER NOT NULL,
    added       INTEGER NOT NULL,
    removed     INTEGER NOT NULL,
    evidence    BLOB    NOT NULL,
    silent      INTEGER NOT NULL,
    gaps        INTEGER NOT NULL,
    forks       INTEGER NOT NULL,
    clocks      INTEGER NOT NULL,
    PRIMARY KEY (license_id, feature, period)
) STRICT, WITHOUT ROWID;

-- The highest place of an epoch before that a device's grant proved, and the epochs in which the vendor last decided on
-- terms and standing itself.
ALTER TABLE licenses ADD COLUMN lost_epoch INTEGER;
ALTER TABLE licenses ADD COLUMN lost_seq INTEGER;
ALTER TABLE licenses ADD COLUMN taking_back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE licenses ADD COLUMN terms_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE licenses ADD COLUMN standing_epoch INTEGER NOT NULL DEFAULT 0;
