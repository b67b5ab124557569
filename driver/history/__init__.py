"""What was done: records of runs, reuse, replay, verification, audit, cleaning."""
