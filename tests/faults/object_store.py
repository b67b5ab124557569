"""A faulty object store: a proxy in front of the S3 emulator, which injects a fault into some
requests.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Deed = Literal[
    "slow down",
    "server error",
    "conflict",
    "no answer",
    "cut short",
    "byte changed",
    "answer lost",
]
Request = Literal["put", "copy", "completion", ""]
"""Kinds of requests that change an object; an upload of a part is none of them."""
_ERROR = (
    "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}: a fault of the "
    "suite</Message></Error>"
)
_REFUSALS: dict[Deed, tuple[str, int]] = {
    "slow down": ("SlowDown", 503),
    "server error": ("InternalError", 500),
    "conflict": ("ConditionalRequestConflict", 409),
}
_NO_BODY = frozenset({"HEAD"})
_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
)


@dataclass
class Rule:
    """Which requests get the fault, and how often at most.

    Attributes:
        deed: the fault.
        chance: the random choice.
        share: the share of the matching requests.
        most: how often at most.
        method: the method of the requests; "" for any.
        request: the kind of the requests; "" for any.
        part: a substring of the requests' paths.
        smallest: answers with fewer bytes are spared.
        seconds: the duration of "no answer".
        told: is called for each injection.
    """

    deed: Deed
    chance: random.Random
    told: Callable[[str], None]
    share: float = 0.2
    most: int = 8
    method: str = ""
    request: Request = ""
    part: str = ""
    smallest: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._done = 0

    def strikes(self, method: str, path: str, size: int) -> bool:
        """Return whether this request gets the fault."""
        if (self.method and method != self.method) or self.part not in path or size < self.smallest:
            return False
        with self._lock:
            if self._done >= self.most or self.chance.random() >= self.share:
                return False
            self._done += 1
        self.told(f"{self.deed}: {method} {path.partition('?')[0].rpartition('/')[2]}")
        return True


class _Server(ThreadingHTTPServer):
    """The server of one proxy."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, behind: str, rule: Rule) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(behind)
        self.rule = rule

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that disconnects."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Forward any request, unless it gets the fault."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        rule = self.server.rule
        before = rule.deed in ("slow down", "server error", "conflict", "no answer")
        if before and rule.strikes(self.command, self.path, rule.smallest):
            self._refuse(rule)
            return
        status, headers, content = self._forwarded(body)
        ok = status in (200, 206) and self.command == "GET"
        if rule.deed == "answer lost":
            lost = status < 300 and rule.request == self._kind()
            if lost and rule.strikes(self.command, self.path, len(content)):
                self.close_connection = True
                return
            self._answer(status, headers, content)
        elif not before and ok and rule.strikes(self.command, self.path, len(content)):
            self._spoilt(rule, status, headers, content)
        else:
            self._answer(status, headers, content)

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

    def _kind(self) -> Request:
        query = urlsplit(self.path).query
        if self.command == "POST" and "uploadId=" in query:
            return "completion"
        if self.command != "PUT" or "uploadId=" in query:
            return ""
        return "copy" if "x-amz-copy-source" in self.headers else "put"

    def _forwarded(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        behind = self.server.behind
        connection = http.client.HTTPConnection(str(behind.hostname), behind.port, timeout=60)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() != "connection":
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], content: bytes, size: int | None = None
    ) -> None:
        self.send_response(status)
        length = next(
            (value for name, value in headers if name.lower() == "content-length"),
            str(len(content)),
        )
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        if status != http.HTTPStatus.NO_CONTENT:
            self.send_header(
                "Content-Length", length if self.command in _NO_BODY else str(size or len(content))
            )
        self.end_headers()
        if self.command not in _NO_BODY:
            self.wfile.write(content)

    def _refuse(self, rule: Rule) -> None:
        self.close_connection = True
        if rule.deed == "no answer":
            time.sleep(rule.seconds)
            return
        code, status = _REFUSALS[rule.deed]
        self._answer(
            status, [("Content-Type", "application/xml")], _ERROR.format(code=code).encode()
        )

    def _spoilt(
        self, rule: Rule, status: int, headers: list[tuple[str, str]], content: bytes
    ) -> None:
        if rule.deed == "cut short":
            self.close_connection = True
            self._answer(
                status, headers, content[: rule.chance.randrange(len(content))], len(content)
            )
            return
        changed = bytearray(content)
        changed[rule.chance.randrange(len(changed))] ^= rule.chance.randrange(1, 256)
        self._answer(status, headers, bytes(changed))

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def troubled(behind: str, rule: Rule) -> Iterator[str]:
    """Run a proxy in front of an object store until the end of the block; yield its address."""
    server = _Server(behind, rule)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
