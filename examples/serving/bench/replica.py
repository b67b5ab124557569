"""A replica for measurements: a real HTTP server whose work is a wait of a seeded random time.

It does one request after the other, as a model on one thread does, and takes no processor, so that
a measurement on a small machine is one of the router. `POST /mode/NAME` makes it fail in a way that
a test wants. It is no part of the service, and runs on this machine only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Mapping
from typing import Literal, get_args

Mode = Literal["good", "slow", "hang", "error", "unloaded", "starting", "unauthorized", "cut"]
"""What it does with an inference: answers, answers 20 x slower, never answers, answers 500; answers
503 though it says that it is ready; says that it is not ready; answers 401; ends in its answer.
"""
SLOWER = 20
NEVER_S = 3600.0
_REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 500: "Error", 503: "Unavailable"}


class BenchReplica:
    """The server.

    Args:
        name: its name in `served-by`.
        mean_s: the mean of its service times, which are exponential; 0 for none.
        seed: of the times.
        mode: its mode at the start.
    """

    def __init__(self, name: str, mean_s: float, seed: int, mode: Mode = "good") -> None:
        self._name = name
        self._mean_s = mean_s
        self._random = random.Random(seed)
        self._mode: Mode = mode
        self._turn = asyncio.Lock()
        self.counts = {"begun": 0, "done": 0, "cancelled": 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                method, path, body = await _read(reader)
                answering = asyncio.ensure_future(self._answer(method, path, body))
                status, answer = await _unless_closed(answering, reader)
                cut = self._mode == "cut" and path.endswith("/infer")
                head = {"content-type": "application/json", "served-by": self._name}
                writer.write(_written(status, head, answer)[: -5 if cut else None])
                await writer.drain()
                if cut:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if path.startswith("/mode/") and method == "POST":
            mode = path.removeprefix("/mode/")
            if mode in get_args(Mode):
                self._mode = mode  # type: ignore[assignment]
            return 200, b"{}"
        if path == "/counts":
            return 200, json.dumps(self.counts).encode()
        if self._mode == "hang":
            await asyncio.sleep(NEVER_S)
        if path == "/v2/health/ready":
            return (503 if self._mode == "starting" else 200), b""
        if not path.endswith("/infer"):
            return 404, b'{"error": "not here"}'
        return await self._inferred(body)

    async def _inferred(self, body: bytes) -> tuple[int, bytes]:
        failure = {"error": 500, "unloaded": 503, "starting": 503, "unauthorized": 401}
        if self._mode in failure:
            return failure[self._mode], b'{"error": "as the test wants"}'
        self.counts["begun"] += 1
        try:
            async with self._turn:
                mean_s = self._mean_s * (SLOWER if self._mode == "slow" else 1)
                await asyncio.sleep(self._random.expovariate(1 / mean_s) if mean_s else 0)
        except asyncio.CancelledError:
            self.counts["cancelled"] += 1
            raise
        self.counts["done"] += 1
        # says what was asked, so that a test sees whether each caller gets its own answer
        return 200, b'{"outputs": [], "echo": ' + (body or b"null") + b"}"


async def _unless_closed(
    answering: asyncio.Future[tuple[int, bytes]], reader: asyncio.StreamReader
) -> tuple[int, bytes]:
    """Return the answer; cancel it if the caller closes the connection before."""
    leaving = asyncio.ensure_future(reader.read(1))
    await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
    if answering.done():
        leaving.cancel()
        await asyncio.wait((leaving,))
        return answering.result()
    answering.cancel()
    raise ConnectionResetError


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").splitlines()
    method, path, _ = first.split(" ")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    return method, path, await reader.readexactly(int(headers.get("content-length", "0")))


def _written(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = [f"HTTP/1.1 {status} {_REASONS[status]}", *lines, f"content-length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


async def _run(port: int, replica: BenchReplica) -> None:
    server = await asyncio.start_server(replica.serve, "127.0.0.1", port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        # ends with the process that started it, which holds the other end of standard input
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Run until standard input ends."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--name", default="task/0")
    options.add_argument("--mean-ms", type=float, default=0.0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--mode", choices=get_args(Mode), default="good")
    given = options.parse_args()
    replica = BenchReplica(given.name, given.mean_ms / 1000, given.seed, given.mode)
    asyncio.run(_run(given.port, replica))


if __name__ == "__main__":
    main()
