"""The log in a run's records."""

from __future__ import annotations

import json
from pathlib import Path

from driver.history.log_file import log_bytes


def test_a_short_log_is_kept_whole(tmp_path: Path) -> None:
    """A short log is stored whole, and a missing one is empty."""
    log = tmp_path / "log"
    assert log_bytes(log) == b""
    log.write_bytes(b"a\nb\n")
    assert log_bytes(log, limit=4) == b"a\nb\n"


def test_of_a_long_log_both_ends_are_kept_in_whole_lines(tmp_path: Path) -> None:
    """A long log keeps both ends in whole lines, and the number of bytes left out between them."""
    log = tmp_path / "log"
    log.write_bytes(b"".join(b'{"n": %d}\n' % number for number in range(1000)))
    kept = log_bytes(log, limit=100)
    lines = [json.loads(line) for line in kept.splitlines()]
    (at,) = [number for number, line in enumerate(lines) if "bytes_left_out" in line]
    assert [line["n"] for line in lines[:at]] == list(range(at))
    assert lines[-1] == {"n": 999}
    left_out = lines.pop(at)["bytes_left_out"]
    assert sum(len(json.dumps(line)) + 1 for line in lines) + left_out == log.stat().st_size


def test_a_line_longer_than_the_limit(tmp_path: Path) -> None:
    """A line longer than the limit is left out and counted."""
    log = tmp_path / "log"
    log.write_bytes(b"x" * 1000)
    assert json.loads(log_bytes(log, limit=100)) == {"event": "log cut", "bytes_left_out": 1000}
