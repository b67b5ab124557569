"""The clocks of a run, passed to whatever needs the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks of a run: `now` for waiting and measuring, `wall` for what people read."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
