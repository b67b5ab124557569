"""How far ahead of the model a worker may compute: one number, the staleness.

0 is BSP: every gradient of a clock is computed from exactly the parameters that all earlier clocks
have made. n is SSP: the parameters may lack the last n clocks. None is ASP: they may lack any.
"""

from __future__ import annotations


def may_begin(clock: int, version: int, staleness: int | None) -> bool:
    """Return whether a micro-batch of a clock may be leased.

    Args:
        clock: of the micro-batch.
        version: clocks that are applied.
        staleness: the run's bound.
    """
    return staleness is None or clock - version <= staleness


def is_fresh(clock: int, version: int, staleness: int | None) -> bool:
    """Return whether a gradient may be added: its parameters lacked no more than the bound allows.

    In BSP, parameters that contain the gradient's own clock are refused too. Under a bound above 0
    they may: a range that contains the clock has the gradient already, from another copy.

    Args:
        clock: of the gradient.
        version: clocks that were applied in the parameters it was computed from.
        staleness: the run's bound.
    """
    if staleness is None:
        return True
    return version == clock if staleness == 0 else clock - version <= staleness
