"""The reducer: merges one partition's blocks and writes one part."""
