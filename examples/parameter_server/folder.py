"""The folder of a laptop's runs: one command trains into it, and others find its server there."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mapreduce.errors import UsageError

SERVER_FILE: Final = ".server.json"
LOCK_FILE: Final = ".train.lock"


@contextmanager
def locked(store: Path | None) -> Iterator[None]:
    """Make a folder, and keep other commands from training into it.

    Raises:
        UsageError: it cannot be used, or another command trains into it.
    """
    if store is None:
        yield
        return
    try:
        store.mkdir(parents=True, exist_ok=True)
        file = (store / LOCK_FILE).open("w")
    except OSError as exc:
        raise UsageError(f"--store {store} cannot be used: {exc.strerror}") from exc
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise UsageError(
                f"another `train --store {store}` is under way; wait for its end: "
                f"python -m examples.parameter_server status --store {store}"
            ) from exc
        yield


@contextmanager
def findable(store: Path | None, address: str, key: str) -> Iterator[None]:
    """Write where server 0 is to a folder, for `status`, while it is there."""
    if store is None:
        yield
        return
    place = store / SERVER_FILE
    place.unlink(missing_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it has the key
    with os.fdopen(descriptor, "w") as file:
        json.dump({"address": address, "key": key}, file)
    try:
        yield
    finally:
        place.unlink(missing_ok=True)


def server_of(store: Path) -> tuple[str, str]:
    """Return address and key of the server 0 that trains into a folder.

    Raises:
        UsageError: there is none.
    """
    try:
        found = json.loads((store / SERVER_FILE).read_bytes())
        return found["address"], found["key"]
    except (OSError, ValueError, KeyError) as exc:
        raise UsageError(f"no `train --store {store}` is under way on this machine") from exc
