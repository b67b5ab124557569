"""A small Cloud Map on loopback: names instances, or throttles, as the test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class CloudMapEndpoint:
    """Answers DiscoverInstances over HTTP.

    Args:
        hosts: the addresses that it names.

    Attributes:
        throttles: whether it refuses.
        asked: how many requests it had.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = list(hosts)
        self.throttles = False
        self.asked = 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                endpoint.asked += 1
                status, body = endpoint.answer()
                self.send_response(status)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self) -> tuple[int, bytes]:
        """Return the answer to DiscoverInstances."""
        if self.throttles:
            refusal = {"__type": "RequestLimitExceeded", "message": "Rate exceeded"}
            return 400, json.dumps(refusal).encode()
        found = [
            {"InstanceId": str(number), "Attributes": {"AWS_INSTANCE_IPV4": host}}
            for number, host in enumerate(self.hosts)
        ]
        return 200, json.dumps({"Instances": found}).encode()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
