"""The C files of the native extension, and how they are compiled: all that its builders share.

It imports the standard library alone and no module of this package, so that `setup.py` can load it.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

FOLDER = Path(__file__).parent
# hidden: only PyInit_extension is exported, and no function of another library can take the place
# of one of these
FLAGS = ("-std=c11", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")


def sources() -> list[Path]:
    """Return the C files, and the headers behind them."""
    return [*sorted(FOLDER.glob("*.c")), *sorted(FOLDER.glob("*.h"))]


def sources_digest() -> str:
    """Return a digest, by which an extension that was built of other sources is known."""
    return blake2b(b"".join(path.read_bytes() for path in sources()), digest_size=16).hexdigest()
