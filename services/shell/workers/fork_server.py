"""The fork server: forks workers from a clean, warm process, and ends whatever they leave behind.

A worker must not be forked from the service itself (an event loop, open connections) nor after any use of the object
store's client (its threads do not survive a fork). So before it does anything else a service forks a server: one
thread, every module imported, nothing open, and no job's code, ever. It forks a worker in milliseconds whenever the
service asks, kills one when told, reports how each died, kills what a dead worker's jobs have started, and takes all
with it when the service is gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from services.shell.workers.channel import NO_NONCE, READY, Frame
from services.shell.workers.processes import (
    adopt_orphans,
    close_other_files,
    die_with_parent,
    end_all_strays,
    end_strays,
)

WorkerMain = Callable[[socket.socket], None]
END_S = 2.0
"""How long the end of everything below the fork server may take."""
_COMMAND = struct.Struct("<cQ")  # b"F" fork (with a socket), b"K" kill
_NOTE = struct.Struct("<QQ")  # pid, wait status


class Nursery:
    """The service's side of the fork server.

    Args:
        control: the socket to the fork server.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._statuses: dict[int, asyncio.Future[int]] = {}
        self._lost: Callable[[], None] = lambda: None

    @classmethod
    def fork(cls, worker_main: WorkerMain) -> Nursery:
        """Fork the server. Call it before any thread, event loop or store client exists."""
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            try:
                _serve(theirs, worker_main)
            finally:
                os._exit(1)  # nothing of the service may go on in the copy
        theirs.close()
        return cls(ours)

    async def attach(self, lost: Callable[[], None]) -> None:
        """Listens for deaths from the running event loop; `lost` is called when the fork server itself is gone."""
        self._lost = lost
        # the writer is kept, not used: when it is collected, the connection is closed
        reader, self._writer = await asyncio.open_connection(sock=self._control.dup())
        self._listener = asyncio.create_task(self._listen(reader))

    def spawn(self, output: int) -> socket.socket:
        """Ask for a worker; return the socket on which it says that it is ready, or why there is none.

        Args:
            output: the descriptor that the worker gets as standard output and error.

        Raises:
            OSError: there is no descriptor left for it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [_COMMAND.pack(b"F", 0)], [theirs.fileno(), output])
            except OSError:
                ours.close()
                raise
        return ours

    def kill(self, pid: int) -> None:
        """Kills a worker (only the nursery may: it alone knows that the pid is still its child's)."""
        self._control.send(_COMMAND.pack(b"K", pid))

    async def status(self, pid: int) -> int:
        """The wait status of a worker, once it is dead."""
        return await asyncio.shield(self._future(pid))

    def forget(self, pid: int) -> None:
        """Drops what is known of a dead worker."""
        self._statuses.pop(pid, None)

    def close(self) -> None:
        """End the fork server and all its workers."""
        self._lost = lambda: None
        self._listener.cancel()
        self._control.close()

    def _future(self, pid: int) -> asyncio.Future[int]:
        return self._statuses.setdefault(pid, asyncio.get_running_loop().create_future())

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                pid, status = _NOTE.unpack(await reader.readexactly(_NOTE.size))
                future = self._future(pid)
                if not future.done():
                    future.set_result(status)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._lost()


def _serve(control: socket.socket, worker_main: WorkerMain) -> NoReturn:
    """Fork, kill and reap, until the service is gone.

    That is told by the end of the socket, not by the kernel's parent-death signal: what jobs have started must be
    ended first.
    """
    adopt_orphans()
    close_other_files({control.fileno()})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    children: set[int] = set()
    with suppress(OSError):  # the service is gone; a fork that fails is no such error
        while True:
            ready, _, _ = select.select([control, woken], [], [])
            if woken in ready:
                woken.recv(4096)
                _reap(control, children)
            if control in ready and not _obey(control, children, worker_main):
                break
    end_all_strays((), END_S)
    os._exit(0)


def _obey(control: socket.socket, children: set[int], worker_main: WorkerMain) -> bool:
    """Carries out one command; False when there will be none any more."""
    data, files, _, _ = socket.recv_fds(control, _COMMAND.size, 2)
    if not data:
        return False
    while len(data) < _COMMAND.size:
        data += control.recv(_COMMAND.size - len(data))
    command, pid = _COMMAND.unpack(data)
    if command == b"K":
        if pid in children:
            os.kill(pid, signal.SIGKILL)
        return True
    if (
        len(files) < 2
    ):  # no descriptor was left for them; the worker's end is closed, so the service asks again
        for file in files:
            os.close(file)
        return True
    worker_end, output = files
    try:
        child = os.fork()
    except OSError as exc:
        os.close(output)
        _decline(worker_end, exc)
        return True
    if child == 0:
        _become_worker(worker_end, output, worker_main)
    os.close(worker_end)
    os.close(output)
    children.add(child)
    return True


def _decline(worker_end: int, exc: OSError) -> None:
    """Say why there is no worker: the service asks again, and the other workers go on."""
    reason = json.dumps({"error": f"fork: {exc.strerror}"}).encode()
    with suppress(OSError), socket.socket(fileno=worker_end) as connection:
        connection.sendall(Frame(READY, NO_NONCE, reason).encoded())


def _reap(control: socket.socket, children: set[int]) -> None:
    """Report the workers that have died, and end what has come to this process from them.

    A stray that is killed here wakes the server again when it is dead, and so does whatever it had started.
    """
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = found
            if pid in children:
                children.discard(pid)
                control.sendall(_NOTE.pack(pid, status))
    end_strays(children)


def _become_worker(file: int, output: int, worker_main: WorkerMain) -> NoReturn:
    code = 1
    try:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(output, 1)
        os.dup2(output, 2)
        close_other_files({file})
        worker_main(socket.socket(fileno=file))
        code = 0
    finally:
        os._exit(code)
