-- Every fingerprint that a device chain recorded, so that a device is known again after its parts were changed.
--
-- A projection: the program folds the runs into it before it goes on. Until then it holds none, an empty list.

ALTER TABLE chains ADD COLUMN fingerprints BLOB NOT NULL DEFAULT x'90';
