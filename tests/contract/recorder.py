"""Record the requests that an object store receives, or deny some: a proxy in front of the
emulator.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
)
_BLOCK_BYTES = 1 << 20
_DENIED = (
    b"<?xml version='1.0' encoding='UTF-8'?>\n"
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)


def _deleted(body: bytes) -> tuple[str, ...]:
    """Return the keys that the body of DeleteObjects names."""
    found = ElementTree.fromstring(body).iterfind(".//{*}Object/{*}Key")
    return tuple(each.text or "" for each in found)


class Verdict(Enum):
    """What a proxy does with a request."""

    ALLOWED = "forward it"
    ALLOWED_IF_THERE = "forward it, and deny it if the object is missing"
    DENIED = "deny it"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the client's connection, the operation, and some of the headers.

    `target` is path and query as they were sent, `client` the address of the client, and `deleted`
    the keys that the body of a deletion of several objects names.
    """

    connection: int
    method: str
    path: str
    query: tuple[str, ...]
    byte_range: str
    source: str
    target: str = ""
    client: str = ""
    if_match: str = ""
    deleted: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Its kind of operation; a POST begins or ends a multipart write."""
        if self.method == "GET":
            return "list" if "list-type" in self.query else "get"
        if self.method == "POST":
            return "delete" if "delete" in self.query else "put"
        return "copy" if self.source else self.method.lower()


@dataclass
class Recording:
    """The requests so far.

    Attributes:
        endpoint: the proxy's address.
        requests: in the order of arrival.
        before: is called with each request before it is forwarded, in its connection's thread.
        judge: decides about each request.
        denied: the requests that were answered with 403 here.
    """

    endpoint: str = ""
    requests: list[Request] = field(default_factory=list)
    before: Callable[[Request], None] = lambda _: None
    judge: Callable[[Request], Verdict] = lambda _: Verdict.ALLOWED
    denied: list[Request] = field(default_factory=list)

    def kinds(self) -> dict[str, int]:
        """Return the number of requests of each kind."""
        return dict(Counter(request.kind for request in self.requests))

    @property
    def connections(self) -> int:
        """Return the number of connections that the requests used."""
        return len({request.connection for request in self.requests})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, behind: str, recording: Recording, host: str) -> None:
        super().__init__((host, 0), _Handler)
        self.behind = urlsplit(behind)
        self.recording = recording

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that disconnects."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, with a separate connection to the store."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        behind = self.server.behind
        self._store = http.client.HTTPConnection(str(behind.hostname), behind.port, timeout=60)

    def finish(self) -> None:
        self._store.close()
        super().finish()

    def do_GET(self) -> None:
        """Record any request, and forward it."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path, _, query = self.path.partition("?")
        request = Request(
            self.client_address[1],
            self.command,
            unquote(path),
            tuple(parse_qs(query, keep_blank_values=True)),
            self.headers.get("range", ""),
            self.headers.get("x-amz-copy-source", ""),
            self.path,
            self.client_address[0],
            self.headers.get("if-match", ""),
            _deleted(body) if "delete" in parse_qs(query, keep_blank_values=True) else (),
        )
        recording = self.server.recording
        recording.requests.append(request)
        recording.before(request)
        verdict = recording.judge(request)
        if verdict is Verdict.DENIED:
            self._deny(request)
        else:
            self._pass_on(request, body, verdict)

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

    def _deny(self, request: Request) -> None:
        self.server.recording.denied.append(request)
        self.send_response(HTTPStatus.FORBIDDEN)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(_DENIED)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(_DENIED)

    def _pass_on(self, request: Request, body: bytes, verdict: Verdict) -> None:
        self._store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "connection":
                self._store.putheader(name, value)
        self._store.endheaders(body)
        answer = self._store.getresponse()
        if answer.status == HTTPStatus.NOT_FOUND and verdict is Verdict.ALLOWED_IF_THERE:
            answer.read()
            self._deny(request)
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = answer.getheader("content-length")
        content = b"" if length is not None else answer.read()
        self.send_header("Content-Length", length if length is not None else str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        while block := answer.read(_BLOCK_BYTES):
            self.wfile.write(block)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def recorded(behind: str, host: str = "127.0.0.1") -> Iterator[Recording]:
    """Run a proxy in front of an object store until the end of the block.

    Args:
        behind: the store's address.
        host: the address of this machine to listen on.
    """
    recording = Recording()
    server = _Server(behind, recording, host)
    recording.endpoint = f"http://{host}:{server.server_address[1]}"
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield recording
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
