"""The partition of a key: equal on every machine, in every process and in every version."""

from __future__ import annotations

from collections.abc import Callable

import xxhash

key_hash: Callable[[bytes], int] = xxhash.xxh3_64_intdigest
"""The hash of an encoded key: xxh3_64 of its bytes.

Python's `hash` is randomised per process and must never be used here. The native extension computes
the same hash for short keys, and calls this function for long ones: it is that of the library, as
one more call in Python for each key takes four times as long as the hash.
"""


def hash_partition(key: bytes, partitions: int) -> int:
    """Return the partition of an encoded key: its hash modulo the number of partitions."""
    return key_hash(key) % partitions
