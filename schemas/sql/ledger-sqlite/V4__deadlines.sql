-- What the grants of an activation said of their dates: until when the newest can be applied, and until when any that was
-- given out lets the device run.
--
-- A projection. Ledgers made before have neither; the program folds the runs anew before it goes on.

ALTER TABLE activations ADD COLUMN import_until INTEGER;
ALTER TABLE activations ADD COLUMN runs_until INTEGER;
