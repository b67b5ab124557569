"""An image registry on loopback: Debian's docker-registry, and a door before it that adds what the
registries of AWS do: tags that cannot be written twice, or a token before an answer.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.e2e.log import CannotRun, StepFailed
from tests.e2e.processes import Shell

PROGRAM = "docker-registry"
TOKEN = "a-token-for-anyone"
START_LIMIT_S = 30.0
CONFIGURATION = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: 127.0.0.1:{port}}}
"""
# it answers 404 for a manifest of a kind that is not named
KINDS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
IMMUTABLE = {
    "errors": [
        {"code": "TAG_INVALID", "message": "The tag exists, and the repository is immutable"}
    ]
}


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry: its host with port, the names under which manifests were written, in
    order, and those that were refused.
    """

    host: str
    port: int
    written: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Return the answer of the registry behind the door: status, headers and body.

        Raises:
            StepFailed: it refuses.
        """
        path = path.removeprefix(f"http://127.0.0.1:{self.port}")
        answer = _asked(self.port, method, path, headers, body)
        if answer[0] >= 400:
            raise StepFailed(f"{method} {path}: {answer[0]}: {answer[2].decode()}")
        return answer


@contextmanager
def registry(folder: Path, *, immutable: bool = False, token: bool = False) -> Iterator[Registry]:
    """Run a registry until the end of the block.

    Args:
        folder: for its data; it must not exist.
        immutable: refuse a second write of a tag, as ECR does with immutable tags.
        token: ask for a token, as the public gallery does, and give it to anyone.

    Raises:
        CannotRun: there is no registry, or it does not start.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise CannotRun(f"{PROGRAM} is missing; on Debian: apt-get install {PROGRAM}")
    (folder / "outputs").mkdir(parents=True)
    port = _free_port()
    settings = folder / "config.yml"
    settings.write_text(CONFIGURATION.format(root=folder / "data", port=port))
    shell = Shell(folder, {"PATH": os.environ["PATH"]}, folder / "outputs")
    with ExitStack() as ends:
        running = ends.enter_context(shell.start(program, "serve", settings))
        until = time.monotonic() + START_LIMIT_S
        while not _answers(port):
            if not running.alive or time.monotonic() > until:
                raise CannotRun(f"{PROGRAM} does not start: {running.last_words()}")
            time.sleep(0.05)
        yield ends.enter_context(_door(port, immutable=immutable, token=token))


@contextmanager
def _door(target: int, *, immutable: bool, token: bool) -> Iterator[Registry]:
    """Serve a registry through a proxy with further rules."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    made = Registry(f"127.0.0.1:{server.server_port}", target)
    server.rules = _Rules(target, made, immutable, token)  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, slots=True)
class _Rules:
    target: int
    registry: Registry
    immutable: bool
    token: bool


class _Door(BaseHTTPRequestHandler):
    """Passes a request on, unless a rule answers it."""

    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        rules: _Rules = self.server.rules  # type: ignore[attr-defined]
        body = self._body()
        if self.command == "PUT" and "/manifests/" in self.path:
            rules.registry.written.append(self.path.rpartition("/")[2])
        if rules.token and self.path.startswith("/token?"):
            self._answer(200, {"Content-Type": "application/json"}, _json({"token": TOKEN}))
        elif rules.token and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            realm = f'Bearer realm="http://{rules.registry.host}/token",service="{PROGRAM}"'
            self._answer(401, {"WWW-Authenticate": realm}, b"")
        elif rules.immutable and self._is_second_write(rules.target):
            rules.registry.refused.append(self.path.rpartition("/")[2])
            self._answer(400, {"Content-Type": "application/json"}, _json(IMMUTABLE))
        else:
            self._answer(*_asked(rules.target, self.command, self.path, dict(self.headers), body))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _pass_on

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _is_second_write(self, target: int) -> bool:
        _, manifests, reference = self.path.partition("/manifests/")
        if self.command != "PUT" or not manifests or reference.startswith("sha256:"):
            return False
        return _asked(target, "HEAD", self.path, {"Accept": ", ".join(KINDS)}, b"")[0] == 200

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is none, such as a handshake of TLS, as HTTP: containerd then knows
        that it may speak HTTP.
        """
        with suppress(OSError):
            self.wfile.write(BAD_REQUEST)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as its base class has it
        """Log nothing."""


def _asked(
    port: int, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Return the registry's answer: status, headers and body."""
    sent = {
        name: value
        for name, value in headers.items()
        if name.lower() not in ("content-length", "transfer-encoding", "connection")
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return _asked(port, "GET", "/v2/", {}, b"")[0] == 200
    return False
