"""The key of the web server's cookies, in a private file of the user."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def key_file() -> Path:
    """Return the path of the key."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "mapreduce-on-fargate" / "web.key"


def kept_key(path: Path) -> bytes:
    """Return the key, and keep a new one where there is none.

    Where no file can be kept, the key lasts as long as the server.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = _read(path)
        if found is None:
            path.unlink(missing_ok=True)
            found = secrets.token_bytes(KEY_BYTES)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(found)
        return found
    except (OSError, RuntimeError):
        return secrets.token_bytes(KEY_BYTES)


def _read(path: Path) -> bytes | None:
    """Return the key in a file that only its user can read; None for any other file."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        found = file.read(KEY_BYTES + 1)
    private = status.st_mode & 0o077 == 0 and status.st_uid == os.getuid()
    return found if private and len(found) == KEY_BYTES else None
