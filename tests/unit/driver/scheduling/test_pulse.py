"""Times in which the driver did not run, and what they excuse."""

from __future__ import annotations

import pytest

from driver.scheduling.pulse import PAUSE_S, Pulse


class _Clock:
    """Two clocks that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.wall = 1e9

    def pass_(self, seconds: float, *, asleep: float = 0.0) -> None:
        """Let time pass; while the machine is asleep only the wall clock goes on."""
        self.now += seconds
        self.wall += seconds + asleep


def _pulse() -> tuple[Pulse, _Clock]:
    clock = _Clock()
    return Pulse(lambda: clock.now, lambda: clock.wall), clock


@pytest.mark.parametrize(("passed", "asleep"), [(PAUSE_S + 1, 0.0), (1.0, 3600.0), (200.0, 0.0)])
def test_a_pause_is_noticed_by_either_clock(passed: float, asleep: float) -> None:
    """A stopped process sees its own clock jump, a sleeping machine only the time of day."""
    pulse, clock = _pulse()
    clock.pass_(passed, asleep=asleep)
    assert passed + asleep == pytest.approx(pulse.beat())
    assert 0.0 == pulse.beat()


def test_a_steady_pulse_excuses_nothing() -> None:
    """Ticks that come a little late are no pause."""
    pulse, clock = _pulse()
    for _ in range(100):
        clock.pass_(PAUSE_S - 0.5)
        assert 0.0 == pulse.beat()
    assert not pulse.excuses(0.0, 1e9)


def test_a_pause_excuses_what_began_before_it_and_for_a_while() -> None:
    """What began after it, or is lost long after, has failed by itself."""
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
    """Only time that is missing counts."""
    pulse, clock = _pulse()
    clock.wall -= 3600.0
    clock.pass_(1.0)
    assert 0.0 == pulse.beat()
