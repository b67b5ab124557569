"""Of a services' log that is too large for memory, the driver keeps both ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driver.fleet.local import _ends_of


@pytest.mark.parametrize("limit", [100, 1000, 5000, 1 << 20])
def test_both_ends_in_whole_lines(tmp_path: Path, limit: int) -> None:
    """All of it within the limit; else its first and last lines, and how many bytes are missing between them."""
    lines = [f'{{"event": "line {number}"}}\n' for number in range(400)]
    path = tmp_path / "log"
    path.write_text("".join(lines))
    kept = _ends_of(path, limit).decode().splitlines(keepends=True)
    if path.stat().st_size <= limit:
        assert kept == lines
        return
    (middle,) = [number for number, line in enumerate(kept) if "left out" in line]
    assert kept[:middle] == lines[:middle]
    assert kept[middle + 1 :] == lines[len(lines) - (len(kept) - middle - 1) :]
    missing = sum(map(len, lines)) - sum(map(len, kept[:middle] + kept[middle + 1 :]))
    assert json.loads(kept[middle])["event"].startswith(f"{missing} bytes")
