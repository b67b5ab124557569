"""The clocks of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks in seconds: `now` for waiting and measuring, `wall` for times in records."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
