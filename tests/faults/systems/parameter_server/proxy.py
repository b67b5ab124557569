"""A proxy on loopback that breaks connections: it drops what a server answers, or stalls."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType


class BreakingProxy:
    """Forwards connections to a server, and breaks each after some answers.

    Args:
        port: the server's, on loopback.
        most: a connection breaks within so many pieces of answers.
    """

    def __init__(self, port: int, most: int) -> None:
        self._target = ("127.0.0.1", port)
        self._most = most
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._stopped = False
        self.broken = 0

    @property
    def address(self) -> str:
        """The address that workers use."""
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> BreakingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped = True
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(ours,), daemon=True).start()

    def _serve(self, ours: socket.socket) -> None:
        try:
            theirs = socket.create_connection(self._target, timeout=5)
        except OSError:
            ours.close()
            return
        theirs.settimeout(None)
        threading.Thread(target=_pump, args=(ours, theirs), daemon=True).start()
        left = random.randint(self._most // 2, self._most)
        with suppress(OSError), ours, theirs:
            while piece := theirs.recv(1 << 16):
                left -= 1
                if left <= 0 and not self._stopped:
                    self.broken += 1
                    time.sleep(random.choice((0.0, 0.2)))
                    break  # the request has arrived, and its answer is lost
                ours.sendall(piece)
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
                theirs.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
