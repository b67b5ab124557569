"""Keep the signing key where a job cannot read it: out of the environment, and out of the workers' memory.

The environment that a program is started with stays readable in /proc/<pid>/environ, for every process of the same
user and whatever the program deletes from it. So a service starts itself again without the key, and hands it over in a
pipe. It reads the pipe only when the fork server is forked, so no worker has a copy. Imports little: this runs twice.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

VARIABLE = "MAPREDUCE_SIGNING_KEY"
DESCRIPTOR = "MAPREDUCE_SIGNING_KEY_FD"
"""Names the descriptor that the key can be read from, to the end."""
HASH_VARIABLE = "PYTHONHASHSEED"
LONGEST = 4096
"""Bytes of a key at most: a pipe holds them without a reader."""


class KeyMissing(Exception):
    """The key is not there, or cannot be handed over; the text says what is wrong with the variable."""


def restart_without_key(hash_seed: str) -> None:
    """Start this program anew, in the same process, if its environment holds the key or another hash seed.

    Args:
        hash_seed: all processes that run a job's code must share one.

    Raises:
        KeyMissing: the key is too long.
    """
    key = os.environ.get(VARIABLE)
    if key is None and os.environ.get(HASH_VARIABLE) == hash_seed:
        return
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment[HASH_VARIABLE] = hash_seed
    if key is not None:
        environment[DESCRIPTOR] = str(_pipe_with(os.fsencode(key)))
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def take_descriptor() -> int:
    """Return the descriptor that holds the key, and forget the variable that names it; raises `KeyMissing`."""
    text = os.environ.pop(DESCRIPTOR, None)
    if text is None:
        raise KeyMissing("Field required")
    try:
        file = int(text)
        os.set_inheritable(file, False)
    except (ValueError, OSError) as exc:
        raise KeyMissing(f"the descriptor {text!r} cannot be read: {exc}") from None
    return file


def read_key(file: int) -> str:
    """Return the key that a descriptor holds, and close it; raises `KeyMissing`."""
    try:
        with open(file, "rb") as pipe:
            return os.fsdecode(pipe.read(LONGEST + 1))
    except OSError as exc:
        raise KeyMissing(f"the descriptor {file} cannot be read: {exc.strerror}") from None


def _pipe_with(content: bytes) -> int:
    if len(content) > LONGEST:
        raise KeyMissing(f"it has more than {LONGEST} bytes")
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
    finally:
        with suppress(OSError):
            os.close(writing)
    os.set_inheritable(reading, True)
    return reading
