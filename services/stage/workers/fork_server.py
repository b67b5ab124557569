"""The fork server: fork workers from a clean, warm process, and end all that they leave behind.

A worker must not be forked from the service itself (it has an event loop and open connections), nor
after any use of the object store's client (its threads do not survive a fork). So a service first
forks a server: one thread, every module imported, nothing open, and never any code of a job. On the
service's command it forks a worker in milliseconds or kills one. It reports how each died, kills
what a dead worker's jobs have started, and ends everything when the service's socket closes.
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

from services.shell.process_tree import (
    adopt_orphans,
    close_other_files,
    die_with_parent,
    end_all_strays,
    end_strays,
    signal_socket,
)
from services.stage.workers.channel import NO_NONCE, READY, Frame
from services.stage.workers.prints import print_line_by_line

WorkerMain = Callable[[socket.socket], None]
END_S = 2.0
"""How long all processes below the fork server may take to end."""
_COMMAND = struct.Struct("<cQ")  # b"F": fork (with a socket), b"K": kill this pid
_NOTE = struct.Struct("<QQ")  # pid, wait status


class ForkServer:
    """The service's side of the fork server.

    Args:
        control: the socket to the fork server.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._statuses: dict[int, asyncio.Future[int]] = {}
        self._lost: Callable[[], None] = lambda: None

    @classmethod
    def fork(cls, worker_main: WorkerMain) -> ForkServer:
        """Fork the server. Call this before any thread, event loop or store client exists."""
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            try:
                _serve(theirs, worker_main)
            finally:
                os._exit(1)  # no code of the service may run in the fork
        theirs.close()
        return cls(ours)

    async def attach(self, lost: Callable[[], None]) -> None:
        """Listen for deaths on the running event loop; call `lost` when the fork server itself has
        ended.
        """
        self._lost = lost
        # keep a reference to the unused writer: its collection would close the connection
        reader, self._writer = await asyncio.open_connection(sock=self._control.dup())
        self._listener = asyncio.create_task(self._listen(reader))

    def spawn(self, output: int) -> socket.socket:
        """Request a worker; return the socket on which it reports ready, or why there is none.

        Args:
            output: the worker's standard output and error, a descriptor.

        Raises:
            OSError: this process has no descriptor left.
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
        """Kill a worker; only the fork server may, because it alone knows that the pid is still its
        child's.
        """
        self._control.send(_COMMAND.pack(b"K", pid))

    async def status(self, pid: int) -> int:
        """Return the wait status of a worker, once it is dead."""
        return await asyncio.shield(self._future(pid))

    def forget(self, pid: int) -> None:
        """Forget a dead worker's status."""
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
    """Fork, kill and reap, until the service closes its socket.

    The closed socket signals the end, not the kernel's parent-death signal, because the processes
    that jobs have started must be ended first.
    """
    adopt_orphans()
    close_other_files({control.fileno()})
    # Ctrl-C reaches the whole process group, but only the closed socket may end this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    woken = signal_socket([signal.SIGCHLD])
    children: set[int] = set()
    with suppress(OSError):  # the service closed the socket; a failed fork is handled in `_obey`
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
    """Run one command; return False if the service has closed the socket."""
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
    # this process ran out of descriptors and the kernel dropped some: closing the worker's end
    # makes the service ask again
    if len(files) < 2:
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
    """Send the reason why there is no worker: the service asks again, and the other workers
    continue.
    """
    reason = json.dumps({"error": f"fork: {exc.strerror}"}).encode()
    with suppress(OSError), socket.socket(fileno=worker_end) as connection:
        connection.sendall(Frame(READY, NO_NONCE, reason).encoded())


def _reap(control: socket.socket, children: set[int]) -> None:
    """Report the workers that have died, and end the orphans that they have left.

    The death of an orphan that is killed here wakes the server again, and so do its own orphans.
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
        print_line_by_line()
        close_other_files({file})
        worker_main(socket.socket(fileno=file))
        code = 0
    finally:
        os._exit(code)
