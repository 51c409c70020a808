-- What came back after a restore: seats, units of G, and of each feature of which units came back the highest limit since,
-- as a canonical list of (feature, units); and the epoch in which events of a device were last taken in.
--
-- Projections: the program folds the runs into them before it goes on. Until then nothing came back.

ALTER TABLE licenses ADD COLUMN taken_back_limits BLOB NOT NULL DEFAULT x'90';
ALTER TABLE activations ADD COLUMN heard_in INTEGER NOT NULL DEFAULT 0;
ALTER TABLE activations ADD COLUMN taken_back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quotas ADD COLUMN taken_back INTEGER NOT NULL DEFAULT 0;
