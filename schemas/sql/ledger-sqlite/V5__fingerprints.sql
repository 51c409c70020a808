-- Every fingerprint that a device chain recorded, so that a device is known again after its parts were changed, and the
-- place of the event that asked for its activation. Whether a device was ever told to go on with a successor, and the
-- successor that a branch was closed for.
--
-- Projections: the program folds the runs into them before it goes on. Until then there are none, an empty list, and
-- no place.

ALTER TABLE chains ADD COLUMN fingerprints BLOB NOT NULL DEFAULT x'90';
ALTER TABLE chains ADD COLUMN requested_in INTEGER NOT NULL DEFAULT 0;
ALTER TABLE activations ADD COLUMN told_to_heal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE branches ADD COLUMN closed_for BLOB;
