"""Columns and ratios that several cases share."""

from __future__ import annotations

from collections.abc import Callable

from bench.case import Column, Plot, Row, Rows, divided, found
from bench.results import Summary
from bench.scale import size_text
from bench.trial import OURS


def seconds(value: float) -> str:
    """Return seconds with two or three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float | None) -> str:
    """Return a ratio as text; a dash if it is unknown."""
    if value is None:
        return "-"
    return f"{value:.0f}x" if value >= 100 else f"{value:.1f}x" if value >= 10 else f"{value:.2f}x"


def throughput(summary: Summary) -> str:
    """Return the MB/s of the whole command."""
    value = summary.bytes_per_s / 1e6
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def whole_ratio(rows: Rows, contender: str) -> float | None:
    """Return how much faster ours is, from the command to the result."""
    ours, peer = found(rows), found(rows, contender)
    return divided(ours.bytes_per_s, peer.bytes_per_s) if ours and peer else None


def warm_ratio(rows: Rows, contender: str) -> float | None:
    """Return how much faster ours is, without either start-up."""
    ours, peer = found(rows), found(rows, contender)
    if not ours or not peer:
        return None
    return divided(ours.size_bytes / ours.warm_s, peer.size_bytes / peer.warm_s)


def figure(title: str, name: str, show: Callable[[float], str] = seconds) -> Column:
    """Return a column of a figure that the command itself reports."""

    def text(summary: Summary, row: Row, rows: Rows) -> str:
        return show(summary.figures[name]) if name in summary.figures else "-"

    return Column(title, text)


def mebibytes(value: float) -> str:
    """Return bytes as MiB."""
    return f"{value / (1 << 20):.0f} MiB"


def _spread(summary: Summary) -> str:
    if summary.repeats == 1:
        return seconds(summary.wall_s)
    least, most = seconds(summary.least_wall_s), seconds(summary.most_wall_s)
    return f"{seconds(summary.wall_s)} ({least} to {most})"


def _against(ratio: Callable[[Rows, str], float | None]) -> Callable[[Summary, Row, Rows], str]:
    def text(summary: Summary, row: Row, rows: Rows) -> str:
        return "" if row.contender == OURS else times(ratio(rows, row.contender))

    return text


CORES = Column("cores", lambda summary, row, rows: str(row.cores))
INPUT = Column("input", lambda summary, row, rows: size_text(round(summary.size_bytes, -5)))
WHOLE = Column("command, s", lambda summary, row, rows: _spread(summary))
THROUGHPUT = Column("MB/s", lambda summary, row, rows: throughput(summary))
PROCESSOR = Column("processor, s", lambda summary, row, rows: seconds(summary.cpu_s))
WARM = Column("without start, s", lambda summary, row, rows: seconds(summary.warm_s))
RATIO = Column("ours is faster by", _against(whole_ratio))
WARM_RATIO = Column("without starts, by", _against(warm_ratio))
AGAINST_PEERS = (CORES, INPUT, WHOLE, THROUGHPUT, RATIO, WARM, WARM_RATIO, PROCESSOR)

MAP = figure("map stage, s", "map_wall")
REDUCE = figure("reduce stage, s", "reduce")
START = figure("start, s", "start")
SPLIT = figure("split, s", "split")
MAP_PEAK = figure("largest map task", "map_peak_bytes", mebibytes)
REDUCE_PEAK = figure("largest reduce task", "reduce_peak_bytes", mebibytes)


def throughput_bars(name: str, title: str) -> Callable[[Rows], tuple[Plot, ...]]:
    """Return a bar for each measured contender, fastest first."""

    def plots(rows: Rows) -> tuple[Plot, ...]:
        bars = [
            (f"{row.label} ({row.cores})", row.ok.bytes_per_s / 1e6)
            for row in rows.values()
            if row.ok
        ]
        bars.sort(key=lambda bar: -bar[1])
        return (
            Plot(
                name,
                title,
                "bars",
                "MB/s, from the command to the result (logarithmic; in brackets: cores)",
                "",
                bars=tuple(bars),
                log="x",
            ),
        )

    return plots
