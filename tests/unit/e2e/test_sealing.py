"""How the emulator's containers are sealed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.e2e import sealing

CONFIG: dict[str, Any] = {
    "process": {"env": ["PATH=/bin"], "capabilities": {"bounding": ["CAP_CHOWN"]}},
    "root": {"path": "rootfs"},
    "linux": {"resources": {"devices": [], "memory": {"limit": 1}}},
}


class _Emulator(BaseHTTPRequestHandler):
    """Answers the two questions of a task's memory."""

    def do_GET(self) -> None:
        assert self.path == "/v4/token/task"
        self._answer({"Cluster": "albums", "TaskARN": "task/1"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked == {"cluster": "albums", "tasks": ["task/1"]}
        assert self.headers["X-Amz-Target"].endswith(".DescribeTasks")
        self._answer({"tasks": [{"memory": "512"}]})

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def _emulator() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Emulator) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _sealed(folder: Path, *variables: str) -> dict[str, Any]:
    config = json.loads(json.dumps(CONFIG))
    config["process"]["env"] += variables
    (folder / "config.json").write_text(json.dumps(config))
    sealing.seal_bundle(str(folder), "127.0.0.1")
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


def test_a_container_of_ecs_is_sealed(tmp_path: Path) -> None:
    """Its root is read-only, it has no capability, and the memory is its task's, whatever the
    system: the emulator knows it.
    """
    with _emulator() as port:
        # the name is known to containers only
        uri = f"http://host.docker.internal:{port}/v4/token"
        found = _sealed(tmp_path, f"ECS_CONTAINER_METADATA_URI_V4={uri}")
    assert found["root"]["readonly"] is True
    assert {()} == {tuple(each) for each in found["process"]["capabilities"].values()}
    assert {"devices": [], "memory": {"limit": 512 * 2**20}} == found["linux"]["resources"]


def test_another_container_stays_as_it_is(tmp_path: Path) -> None:
    """A build, for example, needs its capabilities."""
    assert CONFIG["root"] == _sealed(tmp_path)["root"]


def test_the_runtime_can_be_run(tmp_path: Path) -> None:
    """The program names this Python, this folder and the emulator's address, and is executable."""
    program = sealing.write_runtime(tmp_path / "runtime", "172.17.0.1")
    text = program.read_text()
    compile(text, "runtime", "exec")
    assert "seal_bundle(bundle, '172.17.0.1')" in text
    assert program.stat().st_mode & 0o111
