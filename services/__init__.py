"""How one task enters a container: three thin apps, `splitter`, `mapper` and `reducer`, and the shell that they share."""
