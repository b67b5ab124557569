"""The mapper: maps one split into one object of sorted blocks."""
