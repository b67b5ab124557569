"""How long a record may be, and how much memory reading one may take, by the memory of the task."""

from __future__ import annotations

from dataclasses import dataclass

from mapreduce.errors import RecordError, TextPlace

MIB = 1 << 20
RECORD_SHARE = 8
"""A record may take an eighth of the task's memory.

The rest holds its bytes, the copy that joins them and its text, in which Python may need four bytes
for each character.
"""
FILE_SHARE = 4
"""A file that is one record may take a quarter: its blocks and the copy that joins them take half.
"""
WINDOW_SHARE = 2
WINDOW_LEAST_BYTES = 8 * MIB
"""What `xz` and `zstd` need at their default levels."""
WINDOW_MOST_BYTES = 256 * MIB
RECORD_LEAST_BYTES = MIB
RECORD_MOST_BYTES = 1 << 30
RECORD_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a task with this memory."""

    memory_bytes: int = 256 * MIB

    @property
    def record_bytes(self) -> int:
        """The longest line, row or value."""
        return self._share(RECORD_SHARE)

    @property
    def file_bytes(self) -> int:
        """The longest file that is one record, unpacked."""
        return self._share(FILE_SHARE)

    @property
    def window_bytes(self) -> int:
        """The longest window of a decoder: a power of two, because zstd's limit is one."""
        wanted = min(max(self.memory_bytes // WINDOW_SHARE, WINDOW_LEAST_BYTES), WINDOW_MOST_BYTES)
        return 1 << (wanted.bit_length() - 1)

    def _share(self, share: int) -> int:
        return min(max(self.memory_bytes // share, RECORD_LEAST_BYTES), RECORD_MOST_BYTES)


LIMITS = Limits()
"""The limits of a task with 256 MiB."""


def too_long(
    what: str, limit_bytes: int, hint: str, *, place: str | TextPlace, start: bytes = b""
) -> RecordError:
    """Return the error of a record that is longer than the limit.

    Args:
        what: names the record, e.g. "a line".
        limit_bytes: the limit.
        hint: a next step other than more memory.
        place: the object, and the record's position in it.
        start: the record's first bytes.
    """
    return RecordError(
        f"{what} is longer than {shown_bytes(limit_bytes)}, the limit that follows from the task's "
        f"memory. {hint}; or give each task more memory: `--task-memory` on this machine, "
        "`-var mapper_memory=` in AWS",
        place=place,
        record=repr(start[:RECORD_SHOWN])[:RECORD_SHOWN] if start else "",
    )


def shown_bytes(count: int) -> str:
    """Return a number of bytes as text for people."""
    return f"{count / MIB:,.0f} MiB" if count % MIB == 0 or count > 10 * MIB else f"{count:,} bytes"
