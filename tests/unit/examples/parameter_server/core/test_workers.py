"""Which workers there are."""

from __future__ import annotations

from examples.parameter_server.core.workers import SILENT_S, Workers


def test_silent_workers_are_not_counted() -> None:
    """A worker counts while it is heard of, and again when it comes back at its old place."""
    workers = Workers()
    assert [0, 1, 0] == [workers.hear(name, 0.0) for name in ("a", "b", "a")]
    workers.hear("b", SILENT_S)
    assert 2 == workers.count(SILENT_S)
    assert 1 == workers.count(SILENT_S + 1)
    assert 0 == workers.hear("a", SILENT_S + 2)


def test_a_worker_that_leaves_is_not_counted() -> None:
    """It leaves at once, and may leave twice."""
    workers = Workers()
    workers.hear("a", 0.0)
    workers.leave("a")
    workers.leave("a")
    assert 0 == workers.count(0.0)
