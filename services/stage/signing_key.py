"""Keep the signing key from jobs: out of the environment, and out of the workers' memory.

A process's initial environment stays readable in /proc/<pid>/environ for every process of the same
user, even if the program deletes a variable. So a service re-executes itself without the key, and
passes it in a pipe. It reads the pipe only after it has forked the fork server, so no worker has a
copy. Imports little, because this runs twice.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

VARIABLE = "MAPREDUCE_SIGNING_KEY"
DESCRIPTOR = "MAPREDUCE_SIGNING_KEY_FD"
"""Names the descriptor of the pipe that contains the key."""
HASH_VARIABLE = "PYTHONHASHSEED"
LONGEST = 4096
"""The longest key, in bytes: a pipe buffers it without a reader."""


class KeyMissing(Exception):
    """The key is missing or cannot be passed on; the message names the problem."""


def restart_without_key(hash_seed: str) -> None:
    """Re-execute this program if its environment contains the key or another hash seed.

    Args:
        hash_seed: the seed that all processes that run a job's code share.

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
    """Return the descriptor that holds the key, and delete the variable that names it.

    Raises:
        KeyMissing: there is no such descriptor.
    """
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
    """Return the key that a descriptor holds, and close it.

    Raises:
        KeyMissing: the descriptor cannot be read.
    """
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
        # fits the pipe's buffer, so it does not block without a reader
        os.write(writing, content)
    finally:
        with suppress(OSError):
            os.close(writing)
    os.set_inheritable(reading, True)
    return reading
