"""The services of one local run, as processes on loopback, forked from one that has imported
everything.

The driver starts this before it knows the services, with a socket as standard input. Over it the
driver sends the log, the listening sockets and one JSON line, and then keeps it open: when it
closes, however the driver ended, every service ends. A service that dies is restarted on its
socket.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict

from services.shell.workers.process_tree import (
    adopt_orphans,
    close_other_files,
    die_with_parent,
    end_all_strays,
    end_strays,
    signal_socket,
)

if TYPE_CHECKING:
    from services.shell.serve import AppFactory

STOP_S = 3.0
"""How long killed processes may take to end."""
RESTART_PAUSE_S = 0.2
MOST_FILES = 253
"""The most file descriptors in one message, on Linux."""
_OUR_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


class ServiceSpec(BaseModel):
    """One service: its role, the index of its listening socket, its slots."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["splitter", "mapper", "reducer"]
    socket: int
    slots: int


class FleetSpec(BaseModel):
    """All services, and the settings that they share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: tuple[ServiceSpec, ...]
    settings: dict[str, Any]


class Supervisor:
    """Starts each service, restarts it when it dies, and ends all of them.

    Args:
        spec: the services.
        apps: creates the app of each role.
        sockets: the file descriptors of the listening sockets.
    """

    def __init__(
        self, spec: FleetSpec, apps: Mapping[str, AppFactory], sockets: Sequence[int]
    ) -> None:
        self._spec = spec
        self._apps = apps
        self._sockets = sockets
        # pid -> service, write end of its lifeline
        self._running: dict[int, tuple[ServiceSpec, int]] = {}
        self._unstarted: list[ServiceSpec] = []

    def run(self) -> None:
        """Run until standard input ends or a signal arrives."""
        woken = signal_socket(_OUR_SIGNALS)
        adopt_orphans()
        for service in self._spec.services:
            self._start(service)
        while True:
            ready, _, _ = select.select(
                [0, woken.fileno()], [], [], RESTART_PAUSE_S if self._unstarted else None
            )
            if 0 in ready and not os.read(0, 4096):
                break
            if woken.fileno() in ready:
                if set(woken.recv(4096)) & {signal.SIGTERM, signal.SIGINT}:
                    break
                self._restart_dead()
            waiting, self._unstarted = self._unstarted, []
            for service in waiting:
                self._start(service, again=True)
        self._stop()

    def _start(self, service: ServiceSpec, *, again: bool = False) -> None:
        """Start a service; if the fork fails, log that once and try again later."""
        # signals are blocked, because a child that still has our handlers would swallow one
        signal.pthread_sigmask(signal.SIG_BLOCK, _OUR_SIGNALS)
        ends: tuple[int, ...] = ()
        try:
            ends = lifeline, our_end = os.pipe()
            pid = os.fork()
        except OSError as exc:
            for end in ends:
                os.close(end)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OUR_SIGNALS)
            self._put_off(service, exc, said=again)
            return
        if pid == 0:
            self._become(service, lifeline)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OUR_SIGNALS)
        os.close(lifeline)
        self._running[pid] = (service, our_end)

    def _put_off(self, service: ServiceSpec, exc: OSError, *, said: bool) -> None:
        self._unstarted.append(service)
        if not said:
            event = f"a {service.role} could not be started; trying again: {exc.strerror}"
            sys.stderr.write(json.dumps({"level": "warning", "event": event}) + "\n")
            sys.stderr.flush()

    def _become(self, service: ServiceSpec, lifeline: int) -> NoReturn:
        from services.shell.serve import serve
        from services.shell.settings import Settings

        code = 1
        try:
            die_with_parent()
            signal.set_wakeup_fd(-1)
            for number in _OUR_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OUR_SIGNALS)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            listening = self._sockets[service.socket]
            close_other_files({listening, lifeline})
            settings = Settings(**self._spec.settings, slots=service.slots)
            app, connection = self._apps[service.role], socket.socket(fileno=listening)
            serve(app, service.role, settings, connection, lifeline)
            code = 0
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1
        finally:
            os._exit(code)

    def _restart_dead(self) -> None:
        while pid := self._reaped():
            if pid in self._running:  # else it is an orphan of a service
                service, our_end = self._running.pop(pid)
                os.close(our_end)
                time.sleep(RESTART_PAUSE_S)  # a service that dies at once must not spin
                self._start(service)
        end_strays(self._running)  # the processes that a dead service and its jobs have left

    def _stop(self) -> None:
        """Kill everything: the driver has finished or died, so no process is needed any more."""
        end_all_strays((), STOP_S)
        # a driver that was killed could not remove the scratch folder
        shutil.rmtree(self._spec.settings["scratch"], ignore_errors=True)

    @staticmethod
    def _reaped() -> int | None:
        """Return the pid of a dead child; 0 if none has died, None if there are no children."""
        try:
            return os.waitpid(-1, os.WNOHANG)[0]
        except ChildProcessError:
            return None


def main() -> None:
    """Import everything, receive the services' description, and run them."""
    apps = loaded_apps()
    files, line = _told(socket.socket(fileno=os.dup(0)))
    log, *sockets = files
    os.dup2(log, 1)
    os.dup2(log, 2)
    Supervisor(FleetSpec.model_validate(json.loads(line)), apps, sockets).run()


def loaded_apps() -> dict[str, AppFactory]:
    """Return the app factory of each role, with all modules that the services need loaded."""
    gc.disable()  # imports make no garbage, and looking for it takes a fifth of their time
    from services.mapper.app import create_app as create_mapper
    from services.reducer.app import create_app as create_reducer
    from services.shell.serve import preload
    from services.splitter.app import create_app as create_splitter

    apps: dict[str, AppFactory] = {
        "splitter": create_splitter,
        "mapper": create_mapper,
        "reducer": create_reducer,
    }
    for create in apps.values():
        preload(create)
    gc.freeze()  # a collection in a child would write to, and so copy, every page
    gc.enable()
    return apps


def _told(control: socket.socket) -> tuple[list[int], bytes]:
    """Return the descriptors that the driver sends (log, sockets) and the line after them; exit if
    it ends.
    """
    files: list[int] = []
    line = b""
    with control:
        while not line.endswith(b"\n"):  # byte by byte: a descriptor travels with one byte
            byte, sent, _, _ = socket.recv_fds(control, 1, MOST_FILES)
            if not byte:
                sys.exit(2)
            files += sent
            line += b"" if sent else byte
    return files, line


if __name__ == "__main__":
    main()
    os._exit(0)  # the driver waits for this end, and the interpreter's own takes 20 ms
