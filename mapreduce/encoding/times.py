"""Dates and times as bytes that sort as they do.

A datetime without a zone sorts by what it shows, one with a zone by its instant; the two never
compare, as in Python. As a key, an instant comes back in UTC. (`fold` has no part in either.)
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from mapreduce.encoding.refusals import NotCarriable

_FIRST = datetime(1, 1, 1)  # the first that Python knows
_MICROSECOND = timedelta(microseconds=1)


def ordered_date(day: date) -> bytes:
    """Return 4 bytes."""
    return day.toordinal().to_bytes(4, "big")


def date_of(data: bytes) -> date:
    """Return the date of `ordered_date`."""
    return date.fromordinal(int.from_bytes(data, "big"))


def ordered_datetime(moment: datetime) -> bytes:
    """Return 8 bytes.

    Raises:
        NotCarriable: in UTC it is before the year 1 or after 9999.
    """
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError as exc:
            raise NotCarriable(
                f"the time {moment} cannot be a key: in UTC its year is not one of 1 to 9999"
            ) from exc
    since = moment.replace(tzinfo=None) - _FIRST
    return (since // _MICROSECOND).to_bytes(8, "big")


def naive_of(data: bytes) -> datetime:
    """Return the datetime of `ordered_datetime`, without a zone."""
    return _FIRST + timedelta(microseconds=int.from_bytes(data, "big"))


def aware_of(data: bytes) -> datetime:
    """Return the datetime of `ordered_datetime`, in UTC."""
    return naive_of(data).replace(tzinfo=UTC)


def ordered_time(moment: time) -> bytes:
    """Return 8 bytes.

    Raises:
        NotCarriable: it has a zone, which without a day is no fixed offset.
    """
    if moment.tzinfo is not None:
        raise NotCarriable(
            f"the time {moment} cannot be a key: without a day, a time zone gives it no order; "
            "write key.replace(tzinfo=None)"
        )
    since = datetime.combine(_FIRST, moment) - _FIRST
    return (since // _MICROSECOND).to_bytes(8, "big")


def time_of(data: bytes) -> time:
    """Return the time of `ordered_time`."""
    return naive_of(data).time()
