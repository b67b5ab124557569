"""The services of one laptop run, as processes on loopback: forked from one process that has imported everything once.

The driver starts this with the listening sockets open and one JSON line on standard input, which it then keeps open:
when it ends, however the driver went, every service ends. A service that dies is started again on its own socket.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict

from services.mapper.app import create_app as create_mapper
from services.reducer.app import create_app as create_reducer
from services.shell.processes import close_other_files, die_with_parent
from services.shell.serve import AppFactory, serve
from services.shell.settings import Settings
from services.splitter.app import create_app as create_splitter

APPS: dict[str, AppFactory] = {
    "splitter": create_splitter,
    "mapper": create_mapper,
    "reducer": create_reducer,
}
STOP_S = 5.0
RESTART_PAUSE_S = 0.2
_OUR_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


class ServiceSpec(BaseModel):
    """One service: its role, the file number of its listening socket, its slots."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["splitter", "mapper", "reducer"]
    fd: int
    slots: int


class FleetSpec(BaseModel):
    """All services, and the settings that they share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: tuple[ServiceSpec, ...]
    settings: dict[str, Any]


class Supervisor:
    """Starts each service, starts it again when it dies, and ends all of them."""

    def __init__(self, spec: FleetSpec) -> None:
        self._spec = spec
        self._running: dict[int, tuple[ServiceSpec, int]] = {}  # pid -> service, write end of its lifeline

    def run(self) -> None:
        """Until standard input ends or a signal comes."""
        woken, wake = socket.socketpair()
        woken.setblocking(False)
        wake.setblocking(False)
        for number in _OUR_SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for service in self._spec.services:
            self._start(service)
        while True:
            ready, _, _ = select.select([0, woken.fileno()], [], [])
            if 0 in ready and not os.read(0, 4096):
                break
            if woken.fileno() in ready:
                if set(woken.recv(4096)) & {signal.SIGTERM, signal.SIGINT}:
                    break
                self._restart_dead()
        self._stop()

    def _start(self, service: ServiceSpec) -> None:
        lifeline, our_end = os.pipe()
        # held back, so that no signal meets a child that still has our handlers, which would swallow it
        signal.pthread_sigmask(signal.SIG_BLOCK, _OUR_SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._become(service, lifeline)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OUR_SIGNALS)
        os.close(lifeline)
        self._running[pid] = (service, our_end)

    def _become(self, service: ServiceSpec, lifeline: int) -> NoReturn:
        code = 1
        try:
            die_with_parent()
            signal.set_wakeup_fd(-1)
            for number in _OUR_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OUR_SIGNALS)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            close_other_files({service.fd, lifeline})
            settings = Settings(**self._spec.settings, slots=service.slots)
            serve(APPS[service.role], service.role, settings, socket.socket(fileno=service.fd), lifeline)
            code = 0
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1
        finally:
            os._exit(code)

    def _restart_dead(self) -> None:
        for pid in list(self._running):
            if os.waitpid(pid, os.WNOHANG)[0]:
                service, our_end = self._running.pop(pid)
                os.close(our_end)
                time.sleep(RESTART_PAUSE_S)  # a service that dies at once must not spin
                self._start(service)

    def _stop(self) -> None:
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while self._running and time.monotonic() < deadline:
            for pid in list(self._running):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self._running[pid]
            time.sleep(0.01)
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)
        # the driver may be gone without a word: what it meant to take away is taken away here
        shutil.rmtree(self._spec.settings["scratch"], ignore_errors=True)


def main() -> None:
    """Reads the fleet's description from standard input and runs it."""
    line = b""
    while not line.endswith(b"\n"):  # unbuffered: what follows must stay for `select`
        byte = os.read(0, 1)
        if not byte:
            sys.exit(2)
        line += byte
    Supervisor(FleetSpec.model_validate(json.loads(line))).run()


if __name__ == "__main__":
    main()
