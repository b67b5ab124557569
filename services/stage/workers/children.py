"""A child process of a worker, and the socket between the two."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from mapreduce.errors import TaskLost
from services.shell.process_tree import close_other_files, die_with_parent
from services.stage.workers.channel import Foreign, FrameBuffer

READ_BYTES = 256 << 10
_PAUSE_S = 0.001


class Child:
    """A process that this one has forked.

    Attributes:
        pid: the process.
        socket: our end; the child has the other.
    """

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.socket = connection
        self._status: int | None = None

    @classmethod
    def fork(cls, main: Callable[[socket.socket], None]) -> Child:
        """Fork a process that runs `main` with its end of a socket, and ends.

        Raises:
            TaskLost: the system has no process or memory left for it; another attempt may succeed.
        """
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError as exc:
            ours.close()
            theirs.close()
            raise TaskLost(f"no process could be started for the task: {exc.strerror}") from exc
        # the child never returns from here, so no code of the caller runs twice
        if pid == 0:
            become(theirs, main)
        theirs.close()
        return cls(pid, ours)

    def poll(self) -> int | None:
        """Return the wait status if the process has ended, else None."""
        if self._status is None:
            with suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self._status = status if pid else None
        return self._status

    def wait(self, limit_s: float) -> int | None:
        """Return the wait status, or None if the process still runs after this many seconds."""
        until = time.monotonic() + limit_s
        while self.poll() is None and time.monotonic() < until:
            time.sleep(_PAUSE_S)
        return self._status

    def end(self) -> None:
        """Kill the process, and reap it."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                _, self._status = os.waitpid(self.pid, 0)
        self.socket.close()

    def reply(self, nonce: bytes, idle: Callable[[], None], every_s: float) -> bytes | None:
        """Return the payload of the child's first frame, or None if it ends without one.

        Args:
            nonce: the frame's nonce.
            idle: called while nothing has arrived.
            every_s: how often.
        """
        buffer = FrameBuffer()
        while True:
            ready, _, _ = select.select([self.socket], [], [], every_s)
            if not ready:
                idle()
                if self.poll() is not None and not select.select([self.socket], [], [], 0)[0]:
                    return None  # it has ended; a fork of it may hold the other end open
                continue
            data = received(self.socket)
            if not data:
                return None
            buffer.feed(data)
            try:
                frame = buffer.next(nonce)
            except Foreign:
                return None
            if frame is not None:
                return frame.payload


def received(connection: socket.socket) -> bytes:
    """Return the bytes that have arrived; none if the other end has closed."""
    try:
        return connection.recv(READ_BYTES)
    except ConnectionError:
        return b""


def become(connection: socket.socket, main: Callable[[socket.socket], None]) -> NoReturn:
    """Run a child's main function in the process that was just forked, and end it."""
    code = 1
    try:
        die_with_parent()
        close_other_files({connection.fileno()})
        main(connection)
        code = 0
    finally:
        # not `sys.exit`, which would run the parent's exit handlers and write its buffers again
        os._exit(code)
