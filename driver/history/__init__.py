"""The past runs of a store: records, reuse, replay, verification, audit, cleaning."""
