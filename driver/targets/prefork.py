"""The process that the local services are forked from; it starts before the driver's imports.

Both import modules for half a second, and so they do it at the same time. The process then waits
for the description of the services, and ends when this program does, with or without one. This
module imports nothing slow.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from driver.cloud.terraform import is_deployed
from driver.program.module_path import own_environment, own_process

HASH_SEED = "0"
"""`mapreduce.wire.build.HASH_SEED`, which is too slow to import here; a test compares them."""
COLUMNS = "--columns"
"""The argument with which the process also loads DuckDB."""
_NEED_DUCKDB = (b"map_sql", b"map_arrow", b"Parquet(")
_MOST_BYTES = 1 << 20
_GRACE_S = 1.0
"""How long the process may take to remove what its warm-up has written."""
FILES_AT_ONCE = 200
"""Open files that one message may carry (Linux allows 253)."""


class Prefork:
    """The process, and the socket that is its standard input; it ends when our end is closed.

    Args:
        columns: load DuckDB too, which the tasks of the run need.
    """

    def __init__(self, *, columns: bool = False) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [*own_process("services.local_fleet"), *([COLUMNS] if columns else [])],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,  # ours is for documents
                start_new_session=True,  # Ctrl-C reaches only the driver, which ends the services
                # a job's prints go to a log in UTF-8, whatever the terminal's encoding
                env=own_environment(
                    os.environ,
                    PYTHONHASHSEED=HASH_SEED,
                    PYTHONIOENCODING="utf-8:backslashreplace",
                ),
            )

    def send(self, document: bytes, files: Sequence[int]) -> None:
        """Send copies of open files, and then the line that describes them."""
        for at in range(0, len(files), FILES_AT_ONCE):
            socket.send_fds(self._control, [b"f"], files[at : at + FILES_AT_ONCE])
        self._control.sendall(document + b"\n")

    def end(self, patience_s: float) -> None:
        """End all services, and return when they have exited, within `patience_s` seconds."""
        with self._control, contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
            self._control.settimeout(patience_s)
            self._control.recv(1)  # returns when the other end is closed
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        self.kill()

    def kill(self) -> None:
        """End the process: it has started no service, or does not end; with SIGKILL in the end."""
        self._control.close()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE_S)
        self.process.kill()
        self.process.wait()


_early: list[Prefork] = []


def start_early(arguments: Sequence[str]) -> None:
    """Start the process, if this command line probably needs it."""
    if needs_services(arguments, deployed=is_deployed()):
        _early.append(Prefork(columns=may_need_duckdb(arguments)))


def needs_services(arguments: Sequence[str], *, deployed: bool) -> bool:
    """Return whether a command line will probably start services on this machine.

    Args:
        arguments: of the program.
        deployed: whether a stack is deployed, which `auto` would use.
    """
    if not arguments or arguments[0] != "run" or {"-h", "--help", "--detach"} & set(arguments):
        return False
    target = "auto"
    for option, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if option == "--target":
            target = following
        elif option.startswith("--target="):
            target = option.partition("=")[2]
    return target == "local" or (target == "auto" and not deployed)


def may_need_duckdb(arguments: Sequence[str]) -> bool:
    """Return whether the tasks of a run probably map columns or read Parquet.

    The text of the job's file tells it before the job is imported, and so while the services have
    time. A wrong guess costs the time of an import, and nothing else: a task imports what it needs.

    Args:
        arguments: of the program.
    """
    for option, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, _, value = option.partition("=")
        if name == "--job":
            path = Path((value or following).rpartition(":")[0] or value or following)
            with contextlib.suppress(OSError):
                if path.is_file():  # of a pipe a part would be lost, or never come
                    with path.open("rb") as file:
                        text = file.read(_MOST_BYTES)
                    return any(word in text for word in _NEED_DUCKDB)
    return False


def take() -> Prefork:
    """Return the process that was started early, or a new one."""
    return _early.pop() if _early else Prefork()


def dismiss() -> None:
    """End the process that was started early, if it was not taken."""
    while _early:
        _early.pop().kill()
