"""Log lines that strangers cause are throttled and counted."""

from __future__ import annotations

import logging

from services.shell.http.throttle import StrangersFilter, Throttle


def _record(name: str, message: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "", 0, message, None, None)


def test_one_of_a_kind_in_a_while() -> None:
    """Of a kind one line a minute is logged, with the number of those left out."""
    throttle = Throttle(every_s=60)
    assert [0, None, None] == [throttle.left_out("a", now) for now in (0, 1, 59)]
    assert [2, None] == [throttle.left_out("a", now) for now in (60, 61)]
    assert 0 == throttle.left_out("b", 61)


def test_kinds_are_bounded() -> None:
    """Beyond a limit all new kinds count as one."""
    throttle = Throttle(every_s=60, kinds=3)
    assert 4 == sum(throttle.left_out(str(number), 0.0) is not None for number in range(100))


def test_only_lines_of_strangers_are_left_out() -> None:
    """Only lines that strangers cause are left out, and the next one has their number, in text and
    JSON.
    """
    now = [0.0]
    filtered = StrangersFilter(Throttle(every_s=60), lambda: now[0])
    assert all(filtered.filter(_record("services.stage.app", "task")) for _ in range(5))
    assert 1 == sum(
        filtered.filter(_record("uvicorn.error", "Invalid HTTP request received."))
        for _ in range(5)
    )
    assert 1 == sum(
        filtered.filter(_record("services.connections", {"event": "refused"})) for _ in range(5)
    )
    now[0] = 60.0
    text = _record("uvicorn.error", "Invalid HTTP request received.")
    event = _record("services.connections", {"event": "refused"})
    assert filtered.filter(text)
    assert filtered.filter(event)
    assert "(4 lines like this were left out)" in text.getMessage()
    assert {"event": "refused", "left_out": 4} == event.msg
