"""One run: split, map, reduce, ledger, commit; and chains of runs."""
