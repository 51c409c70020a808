-- The places of the events since the last applied grant that record a refused one, so that opening a store need not
-- look through all events since then for them.
CREATE TABLE refusals (
    seq INTEGER PRIMARY KEY
) STRICT;
