"""Servers and workers as processes of this machine, which end with it however it ends.

Each gets a pipe's read end (its lifeline); a process that dies is started again at its port. The
shell's supervisor has members that stay; here their number changes during a run, a worker that
leaves is asked to first, and the command goes on beside them.
"""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from examples.parameter_server.client import Client
from examples.parameter_server.numerics import pinned
from mapreduce.errors import UsageError
from mapreduce.wire.tokens import new_key
from services.shell.supervisor import LIFELINE

MODULE: Final = "examples.parameter_server"
RESTART_PAUSE_S = 0.2
WATCH_S = 0.05
STOP_S = 5.0


@dataclass
class _Member:
    """A process that is to be there."""

    command: tuple[str, ...]
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    started_at_s: float
    lifeline: int = field(repr=False)


class LocalFleet:
    """Servers and workers on loopback, with a store in a folder.

    Args:
        workers: how many.
        servers: how many.
        store: folder of the store; None makes one that ends with the fleet.
        log: file for the processes' log; None discards it.
        expected_workers: a run waits for so many; None for all.
        worker_command: replaces the worker's, for tests that break it.
    """

    def __init__(
        self,
        workers: int,
        servers: int = 1,
        store: Path | None = None,
        log: Path | None = None,
        expected_workers: int | None = None,
        worker_command: tuple[str, ...] = (sys.executable, "-m", MODULE, "worker"),
    ) -> None:
        self.key = new_key()
        self._count = workers
        self.worker_command = worker_command
        self._expected = workers if expected_workers is None else expected_workers
        self._ends = ExitStack()
        self._lock = threading.RLock()
        self._stopped = False
        try:
            self._log: IO[bytes] | int = (
                self._ends.enter_context(log.open("ab")) if log else subprocess.DEVNULL
            )
        except OSError as exc:
            raise UsageError(f"--log {log} cannot be written: {exc.strerror}") from exc
        folder = store or Path(self._ends.enter_context(tempfile.TemporaryDirectory()))
        self.store = f"file://{folder.resolve()}"
        self.addresses = tuple(f"127.0.0.1:{self._reserved()}" for _ in range(servers))
        self.servers: list[_Member] = []
        self.workers: list[_Member] = []

    def __enter__(self) -> LocalFleet:
        for shard in range(len(self.addresses)):
            self.servers.append(self._server(shard))
        self.scale(self._count)
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._stopped = True
            members = [*self.servers, *self.workers]
        for member in members:
            os.close(member.lifeline)  # ends the process
        end_s = time.monotonic() + STOP_S
        for member in members:
            try:
                member.process.wait(max(0.0, end_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
        self._ends.close()

    @property
    def client(self) -> Client:
        """Server 0, to train and to ask."""
        return Client(self.addresses[0], self.key)

    def scale(self, workers: int) -> None:
        """Start workers, or ask some to leave, until there are so many."""
        with self._lock:
            while len(self.workers) < workers:
                self.workers.append(self._started(self.worker_command, {}))
            leaving = [self.workers.pop() for _ in range(len(self.workers) - workers)]
        for member in leaving:
            member.process.send_signal(signal.SIGTERM)
            threading.Thread(target=_reap, args=(member,), daemon=True).start()

    def _server(self, shard: int) -> _Member:
        port = self.addresses[shard].rpartition(":")[2]
        environment = {
            "SERVER_PORT": port,
            "PS_SHARD": str(shard),
            "PS_STORE": self.store,
            "PS_PORT": "0",
            "TOTAL_WORKERS_EXPECTED": str(self._expected),
        }
        return self._started((sys.executable, "-m", MODULE, "server"), environment)

    def _started(self, command: tuple[str, ...], environment: dict[str, str]) -> _Member:
        read_end, write_end = os.pipe()
        complete = {
            **os.environ,
            **pinned(platform.machine()),
            "PARAMETER_SERVER_ADDRESS": ",".join(self.addresses),
            "PS_SIGNING_KEY": self.key,
            **environment,
            LIFELINE: str(read_end),
        }
        process = subprocess.Popen(
            command,
            env=complete,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(read_end,),
            start_new_session=True,  # Ctrl-C is for the command alone, which then ends them
        )
        os.close(read_end)
        return _Member(command, environment, process, time.monotonic(), write_end)

    def _watch(self) -> None:
        while not self._stopped:
            time.sleep(WATCH_S)
            with self._lock:
                for group in (self.servers, self.workers):
                    for place, member in enumerate(group):
                        if not self._stopped and member.process.poll() is not None:
                            group[place] = self._restarted(member)

    def _restarted(self, member: _Member) -> _Member:
        os.close(member.lifeline)
        lived_s = time.monotonic() - member.started_at_s
        time.sleep(max(0.0, RESTART_PAUSE_S - lived_s))  # one that dies at once must not spin
        return self._started(member.command, member.environment)

    def _reserved(self) -> int:
        """Return a free port that stays ours: bound, and left to the server to listen at."""
        reserved = self._ends.enter_context(socket.socket())
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])


def _reap(member: _Member) -> None:
    try:
        member.process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        member.process.kill()
        member.process.wait()
    os.close(member.lifeline)
