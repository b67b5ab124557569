"""The summary at the end of a run: the top keys first, then a short block of lines. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from driver.report.document import OUTPUT_REDONE, Recovery, Report, RunRequests, Timings
from driver.report.plan_text import receipt_line
from driver.text import CELL_LIMIT, MESSAGE_LIMIT, bytes_text, plural, shown
from mapreduce.errors import OutputLost

COUNTERS_SHOWN = 50
DIGITS_GROUPED_BITS = 128
SHOWN_S = 0.005
"""Seconds of a stage from which it is shown; a reused one takes less."""
MEASURED_S = 2.0
"""Seconds of work in the map stage from which its speed-up is shown: below, it measures the start
of processes."""

_Line = tuple[str, str]
"""A label and its text."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run shows at its end.

    Attributes:
        top: the table of the top keys; None for an empty result.
        lines: the block below it.
    """

    top: Table | None
    lines: tuple[str, ...]


def summary(report: Report, *, urls: bool = False) -> Summary:
    """Return the summary of a finished run.

    Args:
        report: of the run.
        urls: list the URLs of chunks, map outputs and parts of the result, too.
    """
    labelled = [
        ("run", f"{report.run_id} is done in {report.timings.end_to_end:.2f} s"),
        *_times(report),
        *_price(report),
        ("ledger", _seal(report)),
        *_reuse(report),
        *_unread(report),
        *_trouble(report),
        *_counters(report),
        *(_urls(report) if urls else [("result", _place(report.result_urls))]),
        *(("note", note) for note in report.notes),
    ]
    return Summary(
        top=top_table(report.top) if report.top else None,
        lines=tuple(line(label, text) for label, text in labelled),
    )


def line(label: str, text: str) -> str:
    """Return a line of the block, safe to show."""
    return f"{label:<9} {shown(text, MESSAGE_LIMIT)}"


def top_table(rows: Iterable[tuple[Any, Any]]) -> Table:
    """Return keys and values as a table."""
    table = Table("key", Column("value", justify="right"), box=None, pad_edge=False)
    for key, value in rows:
        table.add_row(Text(shown(key, CELL_LIMIT)), Text(shown(_number(value), CELL_LIMIT)))
    return table


def _times(report: Report) -> Iterator[_Line]:
    """Yield the times of the stages, and the speed-up of a map stage that shows one."""
    times = report.timings
    stages = (
        ("start", times.start, ""),
        ("split", times.split, ""),
        ("map", times.map_wall, "" if report.reused_tasks else _speed_up(times)),
        ("reduce", times.reduce, ""),
    )
    shown_ones = [
        f"{name} {seconds:.2f} s{more}" for name, seconds, more in stages if seconds >= SHOWN_S
    ]
    if shown_ones:
        yield "time", ", ".join(shown_ones)


def _speed_up(times: Timings) -> str:
    if times.map_serial_sum < MEASURED_S or times.speed_up <= 1:
        return ""
    return f" ({times.map_serial_sum:.1f} s of tasks, {times.speed_up:.1f} x)"


def _price(report: Report) -> Iterator[_Line]:
    """Yield what the run has cost beside its forecast, and its requests to S3."""
    if report.receipt is not None and (text := receipt_line(report.receipt)):
        yield "receipt", text
    if report.requests.total:
        yield "requests", _requests(report.requests)


def _seal(report: Report) -> str:
    ledger = report.ledger
    return (
        f"balances: {bytes_text(ledger.bytes_in)} and {plural(ledger.records_in, 'record')} in, "
        f"{plural(ledger.pairs_shuffled, 'pair')} shuffled, "
        f"{plural(ledger.records_out, 'pair')} out"
    )


def _reuse(report: Report) -> Iterator[_Line]:
    if report.reused_tasks:
        tasks = plural(len(report.tasks), "task")
        yield "reused", f"{report.reused_tasks} of {tasks}; --fresh reuses none"


def _place(urls: tuple[str, ...]) -> str:
    """Return where the result lies: its only part, or the folder of its parts."""
    if len(urls) == 1:
        return urls[0]
    folder = urls[0].rpartition("/")[0] + "/" if urls else ""
    return f"{plural(len(urls), 'part')}{' in ' + folder if folder else ''}"


def _urls(report: Report) -> Iterator[_Line]:
    for label, urls in (
        ("chunks", report.chunk_urls),
        ("maps", report.map_urls),
        ("result", report.result_urls),
    ):
        yield from ((label if number == 0 else "", url) for number, url in enumerate(urls))


def _counters(report: Report) -> Iterator[_Line]:
    for name, count in islice(report.counters.items(), COUNTERS_SHOWN):
        yield "counter", f"{shown(name, CELL_LIMIT)} = {_number(count)}"
    if (left := len(report.counters) - COUNTERS_SHOWN) > 0:
        yield "", f"and {plural(left, 'counter')} more; --json has all"


def _unread(report: Report) -> Iterator[_Line]:
    """Yield what was not read of the input, or not read as it is."""
    if report.left_out:
        entries = "1 entry" if report.left_out == 1 else f"{report.left_out:,} entries"
        yield "left out", f"{entries} of the input folders: hidden by name, or written by a run"
    if invalid := report.invalid_text:
        yield (
            "bad bytes",
            f"{plural(invalid.size_bytes, 'byte')} in {plural(invalid.lines, 'line')}, "
            f"first in {invalid.first}, are not in the input's encoding; read as U+FFFD. Write the "
            'encoding in the job, as in Text(encoding="cp1252"), and run again',
        )


def _trouble(report: Report) -> Iterator[_Line]:
    """Yield the injected faults and the recoveries: how many, and the work that they cost."""
    if report.faults:
        kinds = Counter(fault.fault for fault in report.faults)
        yield (
            "injected",
            f"{plural(len(report.faults), 'fault')}: "
            + ", ".join(f"{n} {k}" for k, n in sorted(kinds.items())),
        )
    if report.recoveries:
        kinds = Counter(each.what for each in _each_once(report.recoveries))
        cost = sum(each.cost_s for each in report.recoveries)
        what = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
        yield "recovered", f"{what}; {cost:.1f} s of work wasted"


def _each_once(recoveries: Iterable[Recovery]) -> list[Recovery]:
    """Return the recoveries without the reduces that met a lost output: its redoing counts."""
    some = list(recoveries)
    redone = any(each.what == OUTPUT_REDONE for each in some)
    return [each for each in some if not (redone and each.what == OutputLost.__name__)]


def _requests(made: RunRequests) -> str:
    """Return e.g. `S3: 21 PUT, 2 COPY, 20 GET, 8 HEAD; $0.000126`."""
    counts = (
        (kind, getattr(made.total, kind))
        for kind in ("put", "copy", "list", "get", "head", "delete")
    )
    kinds = ", ".join(f"{count:,} {kind.upper()}" for kind, count in counts if count)
    return f"S3: {kinds}; ${made.dollars:.6f}"


def _number(value: object) -> object:
    """Group the digits of an integer; return a very long one, and any other value, unchanged."""
    is_plain = (
        isinstance(value, int)
        and not isinstance(value, bool)
        and value.bit_length() <= DIGITS_GROUPED_BITS
    )
    return f"{value:,}" if is_plain else value
