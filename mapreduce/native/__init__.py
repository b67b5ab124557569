"""The door to the native extension of the engine: `extension`, or None where it has not been built.

`python -m mapreduce.native` builds it, with any C compiler. Everything works without it, at the
speed of Python: each function of C has a counterpart in Python with the same answer, and the tests
hold both against each other. `MAPREDUCE_NATIVE=off` does without it on purpose.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mapreduce.native.sources import sources_digest

if TYPE_CHECKING:
    from types import ModuleType

SWITCH = "MAPREDUCE_NATIVE"


def _load() -> tuple[ModuleType | None, str]:
    if os.environ.get(SWITCH, "").lower() in ("off", "0", "no"):
        return None, f"switched off by {SWITCH}"
    try:
        from mapreduce.native import extension as built
    except ImportError as exc:
        missing = isinstance(exc, ModuleNotFoundError) or "cannot import name" in str(exc)
        return None, "not built" if missing else f"cannot be loaded ({exc})"
    if built.SOURCES_DIGEST != sources_digest():
        return None, "built of other sources than these"
    return built, ""


extension, why_not = _load()
"""The module, or None and why."""
