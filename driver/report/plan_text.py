"""A plan as lines of text: what a run will do, how long it takes and what it costs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from driver.forecast.document import Forecast, Reuse, Skew, StageForecast
from driver.forecast.receipt import Range, Receipt, ReceiptLine
from driver.text import CELL_LIMIT, NAME_LIMIT, bytes_text, cut, plural, shown, shown_lines

LABEL = 9
"""Columns of a line's label."""
KEYS_SHOWN = 3
ERROR_LIMIT = 2_000


def plan_lines(forecast: Forecast) -> list[str]:
    """Return the lines of a plan."""
    volume = f"{plural(forecast.inputs, 'file')}, {bytes_text(forecast.size_bytes)}"
    name = forecast.run or "plan"
    lines = [f"{name}  {shown(forecast.job, NAME_LIMIT)} over {volume}; {shown(forecast.place)}"]
    lines.append(_line("cut", forecast.cut))
    if forecast.reuse is not None:
        lines += _reuse(forecast.reuse)
    lines += ["", *_table(forecast), ""]
    lines += _sentences(forecast)
    return lines


def _sentences(forecast: Forecast) -> Iterator[str]:
    time = forecast.line("end_to_end")
    if time is not None:
        yield _line("time", f"{seconds_range(time)} from the command to the result")
    money = forecast.money
    if money is not None:
        yield _line(
            "money",
            f"tasks {usd_range(money.tasks)}, requests {usd_range(money.requests)}: "
            f"{usd_range(money.together)}",
        )
        yield _line("", f"not priced: {', '.join(money.not_priced)}")
        hour = f"${money.standing_usd_hour:.2f}"
        yield _line("", f"while these tasks run the stack costs {hour} an hour, busy or not")
    elif forecast.target != "aws":
        yield _line("money", "none: this target is not priced")
    if forecast.skew is not None:
        yield from _skew(forecast.skew)
    yield _line("from", _from(forecast))
    if forecast.sampled.error:
        yield _line("sample", "failed; the plan goes on without it:")
        text = shown_lines(cut(forecast.sampled.error, ERROR_LIMIT))
        yield from (f"          {line}" for line in text.splitlines())
    for stage in forecast.stages:
        yield from _too_large(stage)
    for note in forecast.notes:
        yield _line("note", shown(note))
    if forecast.go:
        yield _line("go", shown(forecast.go))


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL}} {text}".rstrip()


def _reuse(reuse: Reuse) -> Iterator[str]:
    new = ", ".join(f"{each.tasks:,} ({each.part}: {each.detail})" for each in reuse.new)
    fresh = reuse.maps - reuse.maps_reused
    what = f"{reuse.maps_reused:,} of {plural(reuse.maps, 'map')}"
    if reuse.reduces_reused:
        what += f", {reuse.reduces_reused:,} of {plural(reuse.reduces, 'reduce')}"
    why = (
        f"; new: {new}" if new else f"; {fresh:,} new, no earlier run of this job" if fresh else ""
    )
    yield _line("reuse", f"{what}{why}")
    if reuse.nearest and reuse.new:
        yield _line("", f"compared with {reuse.nearest}")


def _table(forecast: Forecast) -> list[str]:
    if not forecast.stages:
        return []
    limits = {stage.memory_limit_bytes for stage in forecast.stages}
    (limit,) = limits if len(limits) == 1 else (None,)
    memory = f"memory (of {bytes_text(limit)})" if limit else "memory"
    rows = [("stage", "tasks", "waves", "a task takes", memory, "together")]
    for stage in forecast.stages:
        if stage.tasks:
            cells = (
                seconds_range(stage.task_s),
                bytes_range(stage.memory_bytes),
                seconds_range(stage.wall_s),
            )
        else:
            cells = ("-", "-", "-")
        rows.append((stage.stage, f"{stage.tasks:,}", f"{stage.waves:,}", *cells))
    return table_lines(rows, right=(1, 2))


def _too_large(stage: StageForecast) -> Iterator[str]:
    limit = stage.memory_limit_bytes
    if limit is None or not stage.tasks or stage.memory_bytes.high <= limit:
        return
    text = (
        f"a {stage.stage} task may need {bytes_text(stage.memory_bytes.high)} and has "
        f"{bytes_text(limit)}"
    )
    fits = f"; --chunk-size {stage.fits_bytes >> 10}KiB fits" if stage.fits_bytes else ""
    yield _line("memory", text + fits)


def _skew(skew: Skew) -> Iterator[str]:
    keys = ", ".join(
        f"{shown(each.key, CELL_LIMIT)} {each.share:.0%}" for each in skew.keys[:KEYS_SHOWN]
    )
    heaviest = f"; heaviest keys of the sample: {keys}" if keys else ""
    count = len(skew.shares)
    if count > 1:
        largest = max(range(count), key=skew.shares.__getitem__)
        text = (
            f"the largest of {count:,} partitions (number {largest}) has {skew.score:.1f} times "
            f"the median{heaviest}"
        )
        yield _line("skew", text)
    elif keys:
        yield _line("skew", f"1 partition{heaviest}")
    if skew.advice:
        yield _line("", skew.advice)


def _from(forecast: Forecast) -> str:
    sampled, runs = forecast.sampled, plural(forecast.earlier_runs, "earlier run")
    read = (
        f"{plural(sampled.samples, 'sample')} of this input, {bytes_text(sampled.bytes_read)}, "
        f"in {sampled.seconds:.1f} s here"
    )
    if forecast.basis == "sample":
        text = f"{read}, and {runs}" if forecast.earlier_runs else f"{read}; no earlier run"
    elif forecast.basis == "earlier runs":
        text = f"what the tasks of the last run took, and {runs} with such a forecast"
    else:
        text = "nothing: no sample and no earlier run of this job"
    if not forecast.earlier_runs and forecast.lines:
        text += ", so the ranges are wide: 0.5 to 3 times"
    if forecast.forecasts_before:
        text += f"; {forecast.held_before} of the last {forecast.forecasts_before} forecasts held"
    return text


def receipt_table(receipt: Receipt) -> list[str]:
    """Return the lines of a receipt: each quantity beside its forecast."""
    rows = [("", "came", "forecast", "")]
    for line in receipt.lines:
        came = "-" if line.actual is None else amount(line.unit, line.actual)
        expected = "-" if line.expected is None else _amounts(line)
        held = {True: "in range", False: "out of range", None: ""}[line.held]
        rows.append((NAMES.get(line.name, line.name), came, expected, held))
    lines = table_lines(rows, right=(1, 2))
    if receipt.standing_usd_hour is not None:
        lines.append(
            f"while its tasks run the stack costs ${receipt.standing_usd_hour:.2f} an hour"
        )
    if receipt.not_priced:
        lines.append(f"not priced: {', '.join(receipt.not_priced)}")
    return lines


def receipt_line(receipt: Receipt) -> str:
    """Return a receipt in one line, for a run's summary; "" when there is nothing to say."""
    time = next((line for line in receipt.lines if line.name == "end_to_end"), None)
    parts = [f"${receipt.usd:.4f}"] if receipt.usd is not None else []
    money = next((line for line in receipt.lines if line.name == "usd"), None)
    if money is not None and money.expected is not None:
        parts[-1:] = [f"${receipt.usd or 0:.4f} (forecast {usd_range(money.expected)})"]
    before = next((line.actual for line in receipt.lines if line.name == "usd_before"), None)
    if before and parts:
        parts[-1] += f", of which ${before:.4f} by drivers that were lost"
    if time is not None and time.expected is not None and time.actual is not None:
        parts.append(
            f"{duration(time.actual)} (forecast {seconds_range(time.expected)}, "
            f"{'in' if time.held else 'out of'} range)"
        )
    known = [line for line in receipt.lines if line.held is not None]
    if known and parts:
        held = sum(bool(line.held) for line in known)
        parts.append(f"{held} of {len(known)} lines of the forecast held")
    return "; ".join(parts)


NAMES = {
    "end_to_end": "end to end",
    "map_task": "a map task",
    "reduce_task": "a reduce task",
    "map_memory": "map memory",
    "reduce_memory": "reduce memory",
    "map_tasks": "map tasks",
    "reduce_tasks": "reduce tasks",
    "vcpu_s": "vCPU-seconds",
    "gib_s": "GiB-seconds",
    "usd_tasks": "tasks",
    "usd_requests": "requests, price",
    "usd": "together",
    "usd_before": "drivers before",
    "spot_saved": "Spot has saved",
    "done_twice": "work done twice",
}
"""The names of a receipt's lines for people."""


def table_lines(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Return rows of cells as lines with columns; those of `right` end at the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    numbers = set(right)
    return [
        "  ".join(
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def amount(unit: str, value: float) -> str:
    """Return a quantity with its unit."""
    if unit == "s":
        return duration(value)
    if unit == "bytes":
        return bytes_text(value)
    if unit == "usd":
        return f"${value:.4f}"
    return f"{value:,.0f}"


def _amounts(line: ReceiptLine) -> str:
    assert line.expected is not None
    if line.unit == "s":
        return seconds_range(line.expected)
    if line.unit == "bytes":
        return bytes_range(line.expected)
    if line.unit == "usd":
        return usd_range(line.expected)
    low, high = f"{line.expected.low:,.0f}", f"{line.expected.high:,.0f}"
    return low if low == high else f"{low}-{high}"


def duration(seconds: float) -> str:
    """Return e.g. `0.34 s`, `9.1 s`, `3:20` or `1:02:03`."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def seconds_range(expected: Range) -> str:
    """Return a range of seconds, e.g. `2.1-4.2 s` or `2:50-4:20`."""
    low, high = duration(expected.low), duration(expected.high)
    return f"{low.removesuffix(' s')}-{high}" if high.endswith(" s") else f"{low}-{high}"


def bytes_range(expected: Range) -> str:
    """Return a range of bytes, e.g. `61.4 MiB-92.1 MiB`."""
    low, high = bytes_text(expected.low), bytes_text(expected.high)
    return high if low == high else f"{low}-{high}"


def usd_range(expected: Range) -> str:
    """Return a range of dollars, e.g. `$0.027-0.040`."""
    digits = 3 if expected.low >= 0.01 else 4 if expected.low >= 0.001 else 6
    low, high = f"{expected.low:.{digits}f}", f"{expected.high:.{digits}f}"
    return f"${low}" if low == high else f"${low}-{high}"
