"""Numbers as a page shows them. Pure."""

from __future__ import annotations

import time

from driver.forecast.receipt import Range
from driver.text import bytes_text


def seconds_text(seconds: float) -> str:
    """Return a duration with about three digits: `12 ms`, `4.21 s`, `3:25`, `2:00:05`."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def axis_text(value: float) -> str:
    """Return a number on an axis, with three digits at most after a point."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def tick_text(seconds: float) -> str:
    """Return a time on an axis: `0`, `0.2 s`, `30 s`, `2:30`."""
    return f"{seconds:.3g} s" if 0 < seconds < 60 else seconds_text(seconds) if seconds else "0"


def usd_text(usd: float) -> str:
    """Return dollars with the digits that matter: `$12.30`, `$0.0314`, `$0.000126`."""
    if usd == 0:
        return "$0"
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= 0.001 else f"${usd:.6f}"


def count_text(value: float) -> str:
    """Return a number with its digits in groups."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def quantity_text(value: float, unit: str) -> str:
    """Return a value in its unit, as in `driver.forecast.receipt.Unit` or of a metric."""
    match unit:
        case "s":
            return seconds_text(value)
        case "bytes":
            return bytes_text(value)
        case "bytes/s":
            return f"{bytes_text(value)}/s"
        case "usd":
            return usd_text(value)
        case "vcpu_s":
            return f"{value:,.1f} vCPU-s"
        case "gib_s":
            return f"{value:,.1f} GiB-s"
    return count_text(value)


def range_text(expected: Range, unit: str) -> str:
    """Return a forecast: `1.2 s to 3.4 s`, or one value where both ends are the same."""
    low, high = quantity_text(expected.low, unit), quantity_text(expected.high, unit)
    return low if low == high else f"{low} to {high}"


def time_text(at: float) -> str:
    """Return a time in UTC to the second; "" for one outside the calendar."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    except (ValueError, OverflowError, OSError):
        return ""
