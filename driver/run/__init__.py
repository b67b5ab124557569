"""One run: split, map, reduce, prove, commit; and chains of runs."""
