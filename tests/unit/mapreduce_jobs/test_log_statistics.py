"""Statistics of log lines, compared with those of sorted lists."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce.testing import run
from mapreduce_jobs.log_statistics import LogStatistics

HEAD = "127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700]"


def plain_statistics(values: list[Any]) -> dict[str, Any]:
    """Return the statistics of sorted values."""
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "min": ordered[0],
        "mean": math.fsum(ordered) / len(ordered),
        "max": ordered[-1],
        "p95": ordered[math.ceil(len(ordered) * 0.95 - 1e-9) - 1],
    }


responses = st.tuples(st.sampled_from(["/", "/a", "/b/c.html"]), st.integers(0, 30))


@settings(max_examples=40, deadline=None)
@given(responses=st.lists(responses, max_size=60), splits=st.integers(1, 5))
def test_sizes(responses: list[tuple[str, int]], splits: int) -> None:
    """The result has count, minimum, mean, maximum and 95th percentile of each path's sizes."""
    by_path = defaultdict(list)
    for path, size in responses:
        by_path[path].append(size)
    lines = [f'{HEAD} "GET {path} HTTP/1.0" 200 {size}' for path, size in responses]
    answer = run(LogStatistics(), lines, splits=splits)
    assert {path: plain_statistics(sizes) for path, sizes in by_path.items()} == dict(answer.pairs)
    assert {} == answer.counters


def test_durations_of_many_lines_with_little_memory() -> None:
    """Durations, the last field in seconds, are exact although their values are spilled."""
    durations = [number * 7919 % 10007 / 1000 for number in range(5000)]
    lines = [
        f'{HEAD} "GET /x?id={number} HTTP/1.1" 200 5 "-" "A 1.0" {number}' for number in durations
    ]
    answer = run(LogStatistics(of="duration"), lines, splits=4, memory_bytes=32 << 10)
    assert plain_statistics(durations) == answer["/x"]


@pytest.mark.parametrize(
    ("rest", "path", "size"),
    [
        ('"GET /a HTTP/1.0" 200 17', "/a", 17),
        ('"GET /a?q="" HTTP/1.0" 200 17', None, None),
        (r'"GET /a?q=\"x\" HTTP/1.0" 200 17', "/a", 17),
        ('"POST /a/b?q=1 HTTP/1.1" 404 -', "/a/b", 0),
        ('"GET /" 200 3', "/", 3),
        ('"GET /a HTTP/1.1" 200 5 "http://x/ y" "Mozilla/5.0 (X11) 7"', "/a", 5),
        ('"GET /a HTTP/1.1" 200 5 "-" "-" 0.25', "/a", 5),
        ('"-" 408 0', None, None),
        ('"GET /a HTTP/1.1" 200', None, None),
        ('"GET /a HTTP/1.1" 200 ' + "9" * 5000, None, None),
    ],
)
def test_lines_as_servers_write_them(rest: str, path: str | None, size: int | None) -> None:
    """A path has no query, `-` means 0 bytes, and a malformed line is counted and skipped."""
    answer = run(LogStatistics(), [f"{HEAD} {rest}", "", "rubbish"])
    assert [(path, size)] * bool(path) == [(path, found["max"]) for path, found in answer.pairs]
    assert answer.counters == {"malformed": 2 if path else 3}


def test_duration_wants_a_duration() -> None:
    """A line without a duration is malformed: its size is not used instead."""
    lines = [
        'h - - [d] "GET /a HTTP/1.1" 200 5',
        'h - - [d] "GET /a HTTP/1.1" 200 5 "-" "7 8"',
        "\r",
    ]
    answer = run(LogStatistics(of="duration"), [*lines, 'h - - [d] "GET /a HTTP/1.1" 200 5 1500\r'])
    assert answer["/a"] == {"count": 1, "min": 1500.0, "mean": 1500.0, "max": 1500.0, "p95": 1500.0}
    assert answer.counters == {"malformed": 3}
