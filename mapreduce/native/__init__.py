"""The door to the native extension of the engine: `extension`, or None where it has not been built.

`python -m mapreduce.native` builds it, with any C compiler. Everything works without it, at the
speed of Python: each function of C has a counterpart in Python with the same answer, and the tests
hold both against each other. `MAPREDUCE_NATIVE=off` does without it on purpose.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

SWITCH = "MAPREDUCE_NATIVE"
FOLDER = Path(__file__).parent


def sources() -> list[Path]:
    """Return the C files, and the headers behind them."""
    return [*sorted(FOLDER.glob("*.c")), *sorted(FOLDER.glob("*.h"))]


def sources_digest() -> str:
    """Return a digest, by which an extension that was built of other sources is known."""
    return blake2b(b"".join(path.read_bytes() for path in sources()), digest_size=16).hexdigest()


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
