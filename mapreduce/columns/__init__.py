"""The map over columns: SQL or Arrow over the records of a split, many at a time."""
