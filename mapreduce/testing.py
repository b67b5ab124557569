"""The plain road: a job's answer by the book, in one process, in memory, with nothing of the engine.

`verify` holds a run's result against it, and so do the tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mapreduce.encoding import decode_key, decode_value, encode_key, encode_value
from mapreduce.job import Job


def plain_answer(job: Job, inputs: Iterable[tuple[str, bytes]]) -> list[tuple[Any, Any]]:
    """All result pairs of a job, in key order.

    Each input is cut at line feeds, each line goes through `map`, all values of a key are gathered in the order of the
    input, and reduced once. Nothing is split, combined, partitioned or merged.

    Args:
        job: a fresh instance.
        inputs: (URL, content) of each, in order.
    """
    groups: dict[bytes, list[Any]] = {}

    def gather(pairs: Iterable[tuple[Any, Any]]) -> None:
        for key, value in pairs:
            groups.setdefault(encode_key(key), []).append(decode_value(encode_value(value)))

    job.stage = "map"
    job.setup()
    for url, content in inputs:
        job.source = url
        for offset, line in plain_lines(content):
            gather(job.map(offset, line))
    gather(job.cleanup() or ())
    return _reduced(type(job)(**job.parameter_values()), groups)


def plain_lines(content: bytes) -> list[tuple[int, str]]:
    """The (byte offset, text) of each line of a file."""
    lines: list[tuple[int, str]] = []
    offset = 0
    for raw in content.removesuffix(b"\n").split(b"\n") if content else []:
        text = raw.decode("utf-8", errors="replace")
        lines.append((offset, text.removesuffix("\r").removeprefix("\ufeff" if offset == 0 else "")))
        offset += len(raw) + 1
    return lines


def _reduced(job: Job, groups: dict[bytes, list[Any]]) -> list[tuple[Any, Any]]:
    job.stage = "reduce"
    job.setup()
    result: list[tuple[Any, Any]] = []
    for encoded in sorted(groups):
        key, values = decode_key(encoded), groups[encoded]
        if job.aggregation is not None:
            result.append((key, job.aggregation.plain(values)))
        else:
            result += list(job.reduce(key, iter(values)))
    result += list(job.cleanup() or ())
    return sorted(result, key=lambda pair: encode_key(pair[0]))
