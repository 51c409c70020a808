-- How far acknowledged events were dropped, because a grant said that they may be. Up to this place `events` holds only
-- what is needed still; `link` is the chain's link there. No row: nothing was dropped.
CREATE TABLE floor (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  INTEGER NOT NULL,
    link BLOB NOT NULL
) STRICT;

-- The link before each event that is kept up to the floor, so that its signature can be checked.
CREATE TABLE kept (
    seq  INTEGER PRIMARY KEY,
    prev BLOB NOT NULL
) STRICT;

-- The sums of each metered feature and period at the floor.
CREATE TABLE floor_meters (
    feature  INTEGER NOT NULL,
    period   INTEGER NOT NULL,
    gross    INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    PRIMARY KEY (feature, period)
) STRICT, WITHOUT ROWID;
