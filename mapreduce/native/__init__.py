"""The door to the compiled part of the engine: `kernel`, or None where it has not been built.

`python -m mapreduce.native` builds it, with any C compiler. Everything works without it, at the
speed of Python and DuckDB; whatever has a compiled road has a pure one with the same answer, and
the tests hold both against each other. `MAPREDUCE_KERNEL=off` takes the pure road on purpose.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

SWITCH = "MAPREDUCE_KERNEL"
FOLDER = Path(__file__).parent


def sources() -> list[Path]:
    """The C files, and the headers behind them."""
    return [*sorted(FOLDER.glob("*.c")), *sorted(FOLDER.glob("*.h"))]


def sources_digest() -> str:
    """Tells a kernel that was built of other sources."""
    return blake2b(b"".join(path.read_bytes() for path in sources()), digest_size=16).hexdigest()


def _load() -> tuple[ModuleType | None, str]:
    if os.environ.get(SWITCH, "").lower() in ("off", "0", "no"):
        return None, f"switched off by {SWITCH}"
    try:
        from mapreduce.native import kernel as built
    except ImportError as exc:
        missing = isinstance(exc, ModuleNotFoundError) or "cannot import name" in str(exc)
        return None, "not built" if missing else f"cannot be loaded ({exc})"
    if built.SOURCES_DIGEST != sources_digest():
        return None, "built of other sources than these"
    return built, ""


kernel, why_not = _load()
"""The compiled module, or None and why."""
