"""How gradients change the parameters: an ordered sum, then SGD with momentum, in float64.

Every operation is element by element, so a range of the vector comes out with the same bits as the
same elements of the whole vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """SGD with momentum: velocity = momentum * velocity + gradient, theta -= rate * velocity."""

    rate: float
    momentum: float

    def step(self, theta: Vector, velocity: Vector, gradient: Vector) -> tuple[Vector, Vector]:
        """Return the next parameters and velocity; the arguments keep their values."""
        velocity = self.momentum * velocity + gradient
        return theta - self.rate * velocity, velocity

    def of_one_push(self, pushes: int) -> Rule:
        """Return the rule for single gradients, `pushes` of which do what one step does.

        The velocity decays as much in `pushes` steps as in one of this rule, and a constant
        gradient moves the parameters as far.

        Args:
            pushes: micro-batches of a clock.
        """
        momentum = self.momentum ** (1 / pushes) if self.momentum else 0.0
        rate = self.rate * (1 - momentum) / ((1 - self.momentum) * pushes)
        return Rule(rate, momentum)


def ordered_mean(gradients: Sequence[Vector]) -> Vector:
    """Return the mean, added in the order given: the order decides the last bits of the sum."""
    total = np.zeros_like(gradients[0])
    for gradient in gradients:
        total += gradient
    return total / len(gradients)
