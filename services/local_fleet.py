"""The services of one laptop run, as processes on loopback: forked from one process that has imported everything once.

The driver starts this before it knows what the services will be, with a socket as standard input. On that it sends the
log and the listening sockets, and one JSON line; then it keeps it open: when it ends, however the driver went, every
service ends. A service that dies is started again on its own socket.
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

from services.shell.workers.processes import (
    adopt_orphans,
    close_other_files,
    die_with_parent,
    end_all_strays,
    end_strays,
)

if TYPE_CHECKING:
    from services.shell.serve import AppFactory

STOP_S = 3.0
"""How long processes that were killed may take to be gone."""
RESTART_PAUSE_S = 0.2
MOST_FILES = 253
"""Open files that one message may carry, on Linux."""
_OUR_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


class ServiceSpec(BaseModel):
    """One service: its role, which of the sockets that were sent it listens on, its slots."""

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
    """Starts each service, starts it again when it dies, and ends all of them.

    Args:
        spec: the services.
        apps: makes the app of each role.
        sockets: the file numbers of the listening sockets.
    """

    def __init__(
        self, spec: FleetSpec, apps: Mapping[str, AppFactory], sockets: Sequence[int]
    ) -> None:
        self._spec = spec
        self._apps = apps
        self._sockets = sockets
        self._running: dict[
            int, tuple[ServiceSpec, int]
        ] = {}  # pid -> service, write end of its lifeline
        self._unstarted: list[ServiceSpec] = []
        self._woken, self._wake = socket.socketpair()

    def run(self) -> None:
        """Until standard input ends or a signal comes."""
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        for number in _OUR_SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        adopt_orphans()
        for service in self._spec.services:
            self._start(service)
        while True:
            ready, _, _ = select.select(
                [0, self._woken.fileno()], [], [], RESTART_PAUSE_S if self._unstarted else None
            )
            if 0 in ready and not os.read(0, 4096):
                break
            if self._woken.fileno() in ready:
                if set(self._woken.recv(4096)) & {signal.SIGTERM, signal.SIGINT}:
                    break
                self._restart_dead()
            waiting, self._unstarted = self._unstarted, []
            for service in waiting:
                self._start(service, again=True)
        self._stop()

    def _start(self, service: ServiceSpec, *, again: bool = False) -> None:
        """Start a service; if the system has no room for it, say so and leave it for the next try."""
        # held back, so that no signal meets a child that still has our handlers, which would swallow it
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
            serve(
                self._apps[service.role],
                service.role,
                settings,
                socket.socket(fileno=listening),
                lifeline,
            )
            code = 0
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1
        finally:
            os._exit(code)

    def _restart_dead(self) -> None:
        while pid := self._reaped():
            if pid in self._running:  # else it is an orphan of one
                service, our_end = self._running.pop(pid)
                os.close(our_end)
                time.sleep(RESTART_PAUSE_S)  # a service that dies at once must not spin
                self._start(service)
        end_strays(self._running)  # what a dead service has left, and what jobs have left below it

    def _stop(self) -> None:
        """Kills everything: the driver is done with it or gone, so nothing that still runs is wanted by anybody."""
        end_all_strays((), STOP_S)
        # the driver may be gone without a word: what it meant to take away is taken away here
        shutil.rmtree(self._spec.settings["scratch"], ignore_errors=True)

    @staticmethod
    def _reaped() -> int | None:
        """The number of a child that has died; 0 if none has, None if there are no children any more."""
        try:
            return os.waitpid(-1, os.WNOHANG)[0]
        except ChildProcessError:
            return None


def main() -> None:
    """Loads everything, is told what the services are, and runs them."""
    apps = loaded_apps()
    files, line = _told(socket.socket(fileno=os.dup(0)))
    log, *sockets = files
    os.dup2(log, 1)
    os.dup2(log, 2)
    Supervisor(FleetSpec.model_validate(json.loads(line)), apps, sockets).run()


def loaded_apps() -> dict[str, AppFactory]:
    """What makes the app of each role, with all that the services need loaded."""
    gc.disable()  # there is no garbage yet, and to look for it is a fifth of the time
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
    gc.freeze()  # a collection in a child would copy every page of this
    gc.enable()
    return apps


def _told(control: socket.socket) -> tuple[list[int], bytes]:
    """The files that the driver sends (the log, then the sockets) and the line behind them; ends with the driver."""
    files: list[int] = []
    line = b""
    with control:
        while not line.endswith(b"\n"):  # byte by byte: the files come with bytes of their own
            byte, sent, _, _ = socket.recv_fds(control, 1, MOST_FILES)
            if not byte:
                sys.exit(2)
            files += sent
            line += b"" if sent else byte
    return files, line


if __name__ == "__main__":
    main()
