"""Pauses of the driver, and the failures that they excuse."""

from __future__ import annotations

import pytest

from driver.scheduling.pulse import PAUSE_S, Pulse


class _Clock:
    """Two clocks that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.wall = 1e9

    def pass_(self, seconds: float, *, asleep: float = 0.0) -> None:
        """Let time pass; while the machine sleeps only the wall clock advances."""
        self.now += seconds
        self.wall += seconds + asleep


def _pulse() -> tuple[Pulse, _Clock]:
    clock = _Clock()
    return Pulse(lambda: clock.now, lambda: clock.wall), clock


@pytest.mark.parametrize(("passed", "asleep"), [(PAUSE_S + 1, 0.0), (1.0, 3600.0), (200.0, 0.0)])
def test_a_pause_is_noticed_by_either_clock(passed: float, asleep: float) -> None:
    """A stopped process is noticed by the monotonic clock, and a sleeping machine by the wall
    clock.
    """
    pulse, clock = _pulse()
    clock.pass_(passed, asleep=asleep)
    assert passed + asleep == pytest.approx(pulse.beat())
    assert 0.0 == pulse.beat()


def test_a_steady_pulse_excuses_nothing() -> None:
    """A slightly late tick is no pause."""
    pulse, clock = _pulse()
    for _ in range(100):
        clock.pass_(PAUSE_S - 0.5)
        assert 0.0 == pulse.beat()
    assert not pulse.excuses(0.0, 1e9)


def test_a_pause_excuses_what_began_before_it_and_for_a_while() -> None:
    """A pause excuses attempts that began before it, for a limited time."""
    pulse, clock = _pulse()
    began = clock.now
    clock.pass_(60.0)
    assert pulse.excuses(began, 30.0)
    assert not pulse.excuses(clock.now + 1.0, 30.0)
    for _ in range(31):
        clock.pass_(1.0)
        pulse.beat()
    assert not pulse.excuses(began, 30.0)


def test_a_clock_that_is_set_back_is_no_pause() -> None:
    """A clock that is set back is no pause."""
    pulse, clock = _pulse()
    clock.wall -= 3600.0
    clock.pass_(1.0)
    assert 0.0 == pulse.beat()
