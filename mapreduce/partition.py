"""Which partition a key belongs to: the same on every machine, in every process and in every version."""

from __future__ import annotations

import xxhash


def key_hash(key: bytes) -> int:
    """The hash of an encoded key: xxh3_64 of its bytes.

    Python's own `hash` is randomised per process and must never be used here. The compiled part has the same for short
    keys, and asks this for long ones.
    """
    return xxhash.xxh3_64_intdigest(key)


def hash_partition(key: bytes, partitions: int) -> int:
    """The partition of an encoded key: its hash modulo the number of partitions."""
    return key_hash(key) % partitions
