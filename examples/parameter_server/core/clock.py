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

    Parameters that already contain the gradient's own clock are refused too: the clock can end only
    with this gradient, so they were read while another worker's copy of it was on its way.

    Args:
        clock: of the gradient.
        version: clocks that were applied in the parameters it was computed from.
        staleness: the run's bound.
    """
    return staleness is None or clock - staleness <= version <= clock
