"""The update of the parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from examples.parameter_server.core.ranges import ranges
from examples.parameter_server.core.update import Rule, Vector, ordered_mean


def test_momentum_is_the_textbook_rule() -> None:
    """Two steps by hand: velocity 1, then 0.5 + 2; rate a tenth."""
    theta, velocity = np.array([1.0]), np.array([0.0])
    theta, velocity = Rule(0.1, 0.5).step(theta, velocity, np.array([1.0]))
    theta, velocity = Rule(0.1, 0.5).step(theta, velocity, np.array([2.0]))
    assert 2.5 == velocity[0]
    assert theta[0] == pytest.approx(1 - 0.1 - 0.25)


def test_a_step_keeps_its_arguments() -> None:
    """A cut may hold the arrays of before a step."""
    theta, velocity, gradient = (np.array([value]) for value in (1.0, 2.0, 3.0))
    Rule(0.1, 0.9).step(theta, velocity, gradient)
    assert (1.0, 2.0, 3.0) == (theta[0], velocity[0], gradient[0])


def test_the_order_of_a_sum_decides_its_bits() -> None:
    """A sum in another order is another number: 1e16 + 1 - 1e16 is 0, and 1 the other way."""
    big, one = np.array([1e16]), np.array([1.0])
    assert 0.0 == ordered_mean([big, one, -big])[0]
    assert ordered_mean([big, -big, one])[0] == pytest.approx(1 / 3)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 20)), elements=st.floats(-9, 9)),
    st.integers(1, 6),
)
def test_ranges_have_the_bits_of_the_whole(gradients: Vector, servers: int) -> None:
    """A step over ranges gives the same bits as a step over the whole vector."""
    rule, theta = Rule(0.3, 0.9), np.linspace(0.1, 0.7, gradients.shape[1])
    whole, _ = rule.step(theta, theta, ordered_mean([*gradients]))
    parts = [
        rule.step(theta[a:b], theta[a:b], ordered_mean([each[a:b] for each in gradients]))[0]
        for a, b in ranges(len(theta), servers)
    ]
    assert whole.tobytes() == np.concatenate(parts).tobytes()


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_single_pushes_move_as_far_as_one_step(momentum: float) -> None:
    """Under a constant gradient, a clock of single pushes moves the parameters as one step does."""
    rule, pushes, clocks = Rule(0.1, momentum), 8, 200
    single = rule.of_one_push(pushes)
    one, each = (np.zeros(1), np.zeros(1)), (np.zeros(1), np.zeros(1))
    gradient = np.ones(1)
    for _ in range(clocks):
        one = rule.step(*one, gradient)
        for _ in range(pushes):
            each = single.step(*each, gradient)
    assert each[0][0] == pytest.approx(one[0][0], rel=0.05)
