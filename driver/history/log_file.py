"""The log file of a run: complete, or its beginning and its end when it is too long."""

from __future__ import annotations

import json
from pathlib import Path

LOG_BYTES = 16 << 20
"""The longest log that is kept whole; of a longer one, half of this from each end."""


def log_bytes(path: Path, limit: int = LOG_BYTES) -> bytes:
    """Return a log; of a longer one its first and last lines, and a line with the omitted bytes."""
    if not path.exists():
        return b""
    size = path.stat().st_size
    if size <= limit:
        return path.read_bytes()
    half = limit // 2
    with path.open("rb") as file:
        head = file.read(half)
        file.seek(-half, 2)
        tail = file.read(half)
    head = head[: head.rfind(b"\n") + 1]
    tail = tail.partition(b"\n")[2]
    left_out = json.dumps({"event": "log cut", "bytes_left_out": size - len(head) - len(tail)})
    return b"".join([head, left_out.encode(), b"\n", tail])
