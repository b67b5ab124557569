"""The summary at the end of a run: URLs, timings and the top keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from driver.report.document import Report, RunRequests
from driver.text import CELL_LIMIT, MESSAGE_LIMIT, bytes_text, plural, shown

URLS_SHOWN = 3
COUNTERS_SHOWN = 50
DIGITS_GROUPED_BITS = 128


def print_summary(report: Report, console: Console) -> None:
    """Print run id, URLs, timings and the top pairs."""
    console.print()
    _line(console, "run", report.run_id)
    for label, urls in (
        ("chunks", report.chunk_urls),
        ("maps", report.map_urls),
        ("result", report.result_urls),
    ):
        for number, url in enumerate(urls[:URLS_SHOWN]):
            _line(console, label if number == 0 else "", url)
        if len(urls) > URLS_SHOWN:
            _line(console, "", f"and {len(urls) - URLS_SHOWN} more")
    console.print(_timings(report))
    ledger = report.ledger
    _line(
        console,
        "ledger",
        f"balances: {bytes_text(ledger.bytes_in)} and {plural(ledger.records_in, 'record')} in, "
        f"{plural(ledger.pairs_shuffled, 'pair')} shuffled, "
        f"{plural(ledger.records_out, 'pair')} out",
    )
    if report.reused_tasks:
        _line(
            console,
            "reused",
            f"{report.reused_tasks} of {plural(len(report.tasks), 'task')}; --fresh reuses none",
        )
    if report.requests.total:
        _line(console, "requests", _requests(report.requests))
    for label, text in [*_unread(report), *_trouble(report)]:
        _line(console, label, text)
    for name, count in islice(report.counters.items(), COUNTERS_SHOWN):
        _line(console, "counter", f"{shown(name, CELL_LIMIT)} = {_number(count)}")
    if len(report.counters) > COUNTERS_SHOWN:
        _line(
            console,
            "",
            f"and {plural(len(report.counters) - COUNTERS_SHOWN, 'counter')} more; --json has all",
        )
    if report.top:
        console.print(_top(report.top))
    for note in report.notes:
        _line(console, "note", note)


def _unread(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what was not read of the input, or not read as it is."""
    if report.left_out:
        entries = "1 entry" if report.left_out == 1 else f"{report.left_out:,} entries"
        yield "left out", f"{entries} of the input folders: hidden by name, or written by a run"
    if invalid := report.invalid_text:
        yield (
            "not UTF-8",
            f"{plural(invalid.size_bytes, 'byte')} in {plural(invalid.lines, 'line')}, "
            f"first in {invalid.first}; read as U+FFFD. If the text is in another encoding, "
            "convert it and run again: "
            "iconv -f WINDOWS-1252 -t UTF-8 FILE > FILE.utf8",
        )


def _trouble(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the injected faults and the recoveries: how many, and the work that they cost."""
    if report.faults:
        kinds = Counter(fault.fault for fault in report.faults)
        yield (
            "injected",
            f"{plural(len(report.faults), 'fault')}: "
            + ", ".join(f"{n} {k}" for k, n in sorted(kinds.items())),
        )
    if report.recoveries:
        kinds = Counter(each.what for each in report.recoveries)
        cost = sum(each.cost_s for each in report.recoveries)
        what = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
        yield "recovered", f"{what}; {cost:.1f} s of work wasted"


def _requests(made: RunRequests) -> str:
    """Return e.g. `S3: 21 PUT, 2 COPY, 20 GET, 8 HEAD; $0.000126`."""
    counts = (
        (kind, getattr(made.total, kind))
        for kind in ("put", "copy", "list", "get", "head", "delete")
    )
    kinds = ", ".join(f"{count:,} {kind.upper()}" for kind, count in counts if count)
    return f"S3: {kinds}; ${made.dollars:.6f}"


def _line(console: Console, label: str, text: str) -> None:
    console.print(Text(f"{label:<9} {shown(text, MESSAGE_LIMIT)}"), soft_wrap=True)


def _timings(report: Report) -> Table:
    table = Table("", Column(justify="right"), box=None, pad_edge=False, show_header=False)
    timings = report.timings
    for name in ("start", "split", "map_serial_sum", "map_wall", "reduce", "end_to_end"):
        table.add_row(name, f"{getattr(timings, name):.3f} s")
    table.add_row("speed-up", f"{timings.speed_up:.2f} x")
    return table


def _top(rows: tuple[tuple[Any, Any], ...]) -> Table:
    table = Table("key", Column("value", justify="right"), box=None, pad_edge=False)
    for key, value in rows:
        table.add_row(Text(shown(key, CELL_LIMIT)), Text(shown(_number(value), CELL_LIMIT)))
    return table


def _number(value: object) -> object:
    """Group the digits of an integer; return a very long one, and any other value, unchanged."""
    is_plain = (
        isinstance(value, int)
        and not isinstance(value, bool)
        and value.bit_length() <= DIGITS_GROUPED_BITS
    )
    return f"{value:,}" if is_plain else value
