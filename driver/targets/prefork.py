"""The process that the local services are forked from; it may be started before this program has imported anything.

Both have half a second of modules to import, and so they do it at the same time. Then it waits to be told what the
services are, and ends when this program does, told or not. Nothing heavy may be imported here.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from driver.cloud.terraform import is_applied, terraform_folder

HASH_SEED = "0"
"""`mapreduce.wire.build.HASH_SEED`, which is too heavy to import here; a test holds the two together."""
FILES_AT_ONCE = 200
"""Open files that one message may carry (Linux allows 253)."""


class Forerunner:
    """The process, and the socket that is its standard input. It ends when our end of the socket is closed."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "services.local_fleet"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,  # ours is for documents
                start_new_session=True,  # Ctrl-C is for the driver, which ends the services in its own time
                # what a job prints goes into a log in UTF-8, whatever this terminal can show
                env=os.environ
                | {
                    "PYTHONPATH": _module_path(),
                    "PYTHONHASHSEED": HASH_SEED,
                    "PYTHONIOENCODING": "utf-8:backslashreplace",
                },
            )

    def tell(self, document: bytes, files: Sequence[int]) -> None:
        """Send copies of open files, and then the line that says what they are for."""
        for at in range(0, len(files), FILES_AT_ONCE):
            socket.send_fds(self._control, [b"f"], files[at : at + FILES_AT_ONCE])
        self._control.sendall(document + b"\n")

    def end(self, patience_s: float) -> None:
        """Have it end all services, and returns when all of them are gone."""
        with self._control, contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
            self._control.settimeout(patience_s)
            self._control.recv(1)  # returns when the other end is closed
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        self.kill()

    def kill(self) -> None:
        """For one that has started no service, or does not end."""
        self._control.close()
        self.process.kill()
        self.process.wait()


_early: list[Forerunner] = []


def start_early(arguments: Sequence[str]) -> None:
    """Start one, if this command line looks as if it will be needed."""
    if needs_services(arguments, deployed=is_applied(terraform_folder())):
        _early.append(Forerunner())


def needs_services(arguments: Sequence[str], *, deployed: bool) -> bool:
    """Return whether a command line will most likely start services on this machine.

    Args:
        arguments: of the program.
        deployed: there is a stack, which `auto` would use.
    """
    if not arguments or arguments[0] != "run" or {"-h", "--help"} & set(arguments):
        return False
    target = "auto"
    for option, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if option == "--target":
            target = following
        elif option.startswith("--target="):
            target = option.partition("=")[2]
    return target == "local" or (target == "auto" and not deployed)


def take() -> Forerunner:
    """Return the one that was started early, or else a new one."""
    return _early.pop() if _early else Forerunner()


def dismiss() -> None:
    """End the one that was started early, if nobody has taken it."""
    while _early:
        _early.pop().kill()


def _module_path() -> str:
    ours = str(Path(__file__).resolve().parents[2])
    given = os.environ.get("PYTHONPATH")
    return f"{ours}{os.pathsep}{given}" if given else ours
