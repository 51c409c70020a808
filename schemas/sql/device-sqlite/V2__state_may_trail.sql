-- From this version on the row of `state`, and the sums in `meters`, may stand at an earlier event than the last one:
-- what follows is folded from the events after it. The tables are those of the first version. A program of that
-- version would take such a store for damaged, and is told by the number of this one that the store is newer.
SELECT 1;
