"""Which partition a key belongs to: the same on every machine, in every process and in every version."""

from __future__ import annotations

import xxhash


def hash_partition(key: bytes, partitions: int) -> int:
    """The partition of an encoded key: xxh3_64 of its bytes, modulo the number of partitions.

    Python's own `hash` is randomised per process and must never be used here.
    """
    return xxhash.xxh3_64_intdigest(key) % partitions
