"""How one task enters a container: three thin apps, `splitter`, `mapper` and `reducer`, and their common shell."""
