"""A model server in a process of its own: the digits, the faults of its file, its end."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.serving.bench.fleet import ModelProcess, ask
from examples.serving.load import closed_loop
from examples.serving.model.session import load_model
from examples.serving.model_store import write_model
from examples.serving.router.connections import Address, Request
from examples.serving.sample import put, read_digits, train_digits
from mapreduce.storage import open_storage
from mapreduce.wire.certificates import authority, host_name
from mapreduce.wire.tokens import sign

KEY = "k" * 32
INFER = "/v2/models/digits/infer"
ROOT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.timeout(90)
Start = Callable[..., ModelProcess]


@pytest.fixture(scope="module")
def model() -> bytes:
    """The small model."""
    return train_digits()[0]


@pytest.fixture
def store(tmp_path: Path, model: bytes) -> str:
    """A store with version 1 of the small model."""
    url = (tmp_path / "store").as_uri()
    put(open_storage(), url, "digits", "1", model)
    return url


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a model server; all end with the test."""
    with ExitStack() as stack:

        def started(store: str, version: str = "1", **settings: str) -> ModelProcess:
            process = ModelProcess(store, version, "task/1", KEY, settings)
            stack.callback(process.stop)
            return process

        yield started


def _await(wanted: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not wanted():
        assert time.monotonic() < until
        time.sleep(0.02)


def _ready(address: Address) -> tuple[int, dict[str, Any]]:
    status, body = ask(address, "GET", "/v2/health/ready")
    return status, json.loads(body)


def _await_ready(process: ModelProcess) -> None:
    _await(lambda: _ready(process.address)[0] == HTTPStatus.OK)


def _body(pixels: Any, request_id: str = "") -> bytes:
    tensor = {"name": "pixels", "datatype": "FP32", "shape": list(pixels.shape)}
    values = {**tensor, "data": pixels.ravel().tolist()}
    return json.dumps({"id": request_id, "inputs": [values]}).encode()


def _request(body: bytes) -> Request:
    token = sign(KEY, INFER, body, time.time())
    return Request("POST", INFER.encode(), [(b"authorization", f"Bearer {token}".encode())], body)


def test_the_360_held_out_digits(store: str, start: Start, model: bytes) -> None:
    """Through the server, alone and in batches, each row has the class that the runtime gives in
    this process, and its probabilities within 1e-5.
    """
    process = start(store)
    _await_ready(process)
    pixels = read_digits()[1].pixels
    expected = load_model(model).run({"pixels": pixels})["probabilities"]
    bodies = [_body(row[np.newaxis], str(number)) for number, row in enumerate(pixels)]
    for clients in (1, 32):
        samples = asyncio.run(
            closed_loop(
                process.address, lambda number: _request(bodies[number]), len(bodies), clients
            )
        )
        assert {200} == {each.status for each in samples}
        assert {"task/1"} == {each.served_by for each in samples}
        found = np.full_like(expected, np.nan)
        for answer in (json.loads(each.body) for each in samples):
            found[int(answer["id"])] = answer["outputs"][0]["data"]
        assert np.abs(found - expected).max() <= 1e-5
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    metrics = ask(process.address, "GET", "/metrics")[1].decode()
    batches = float(metrics.split("model_batch_rows_count ")[1].split()[0])
    assert batches < 720  # some rows shared a run


def test_one_request_of_360_rows(store: str, start: Start, model: bytes) -> None:
    """All rows in one request are answered in their order."""
    process = start(store)
    _await_ready(process)
    _, held_out = read_digits()
    (sample,) = asyncio.run(
        closed_loop(process.address, lambda _: _request(_body(held_out.pixels)), 1, 1)
    )
    (output,) = json.loads(sample.body)["outputs"]
    found = np.array(output["data"]).reshape(output["shape"])
    expected = load_model(model).run({"pixels": held_out.pixels})["probabilities"]
    assert np.abs(found - expected).max() <= 1e-5


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (lambda file: file.unlink(), "is missing"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "bytes of another digest"),
        (lambda file: file.write_bytes(b"\0" * file.stat().st_size), "bytes of another digest"),
    ],
)
def test_a_file_with_a_fault_is_never_served(
    store: str, start: Start, fault: Callable[[Path], object], why: str
) -> None:
    """The server is live, never ready, says why, refuses, and ends with exit code 1."""
    (file,) = Path(store.removeprefix("file://")).glob("models/digits/1/*.onnx")
    fault(file)
    process = start(store, load_s="3")
    _await(lambda: why in _ready(process.address)[1].get("error", ""))
    assert 503 == _ready(process.address)[0]
    assert 200 == ask(process.address, "GET", "/v2/health/live")[0]
    assert not json.loads(ask(process.address, "GET", "/health")[1])["ok"]
    (sample,) = asyncio.run(closed_loop(process.address, lambda _: _request(b"{}"), 1, 1))
    assert 503 == sample.status
    assert why in json.loads(sample.body)["error"]
    assert 1 == process.wait()
    assert any("giving up" in line for line in process.log)


def test_bytes_that_are_no_model_are_never_served(store: str, start: Start) -> None:
    """A file with the right digest that is no ONNX model is refused too."""
    write_model(open_storage(), store, "digits", "2", b"no model")
    process = start(store, "2", load_s="1")
    _await(lambda: "no model that can be loaded" in _ready(process.address)[1].get("error", ""))
    assert 1 == process.wait()


def test_a_model_that_is_put_later_is_served(tmp_path: Path, start: Start, model: bytes) -> None:
    """A server that starts before its model waits for it."""
    store = (tmp_path / "later").as_uri()
    process = start(store)
    _await(lambda: "python -m examples.serving put" in _ready(process.address)[1].get("error", ""))
    put(open_storage(), store, "digits", "1", model)
    _await_ready(process)


def test_sigterm_lets_requests_finish(store: str, start: Start) -> None:
    """Requests in the queue are answered, new ones refused, and then the server ends with 0."""
    process = start(store, delay_ms="400", batching="false")
    _await_ready(process)
    body = _body(read_digits()[1].pixels[:1])

    async def main() -> list[int]:
        asked = asyncio.create_task(closed_loop(process.address, lambda _: _request(body), 3, 3))
        await asyncio.sleep(0.2)
        ended = asyncio.create_task(asyncio.to_thread(process.terminate))
        await asyncio.sleep(0.1)
        refused = await closed_loop(process.address, lambda _: _request(body), 1, 1)
        assert 503 == refused[0].status
        assert 0 == await ended
        return [each.status for each in await asked]

    assert [200, 200, 200] == asyncio.run(main())


def test_by_tls_the_certificate_is_the_keys(store: str, start: Start) -> None:
    """With TLS the server proves that it has the key, and speaks TLS 1.3."""
    process = start(store, tls="true")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority(KEY).decode())
    with (
        socket.create_connection((process.address.host, process.address.port), 10) as plain,
        context.wrap_socket(plain, server_hostname=host_name("model")) as secure,
    ):
        assert "TLSv1.3" == secure.version()
        secure.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert secure.recv(100).startswith(b"HTTP/1.1 200")


def test_the_health_check_of_the_container(store: str, start: Start, tmp_path: Path) -> None:
    """The health check passes once the model is loaded, and fails before."""

    def checked(process: ModelProcess) -> int:
        return subprocess.run(
            [sys.executable, "-m", "services.healthcheck", "MODEL"],
            cwd=ROOT,
            env={**os.environ, "MODEL_PORT": str(process.address.port)},
            check=False,
            timeout=30,
        ).returncode

    good = start(store)
    _await_ready(good)
    assert 0 == checked(good)
    assert 1 == checked(start((tmp_path / "nothing").as_uri()))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": ""}, "MODEL_VERSION: "),
        ({"signing_key": "short"}, "MODEL_SIGNING_KEY: "),
        ({"host": "0.0.0.0"}, "MODEL_TLS"),
        ({"store": "bucket"}, "MODEL_STORE: "),
    ],
)
def test_a_wrong_setting(store: str, changed: dict[str, str], said: str) -> None:
    """Each wrong setting is one line, and the exit code is 2."""
    given = {"store": store, "version": "1", "signing_key": KEY, "port": "0", **changed}
    done = subprocess.run(
        [sys.executable, "-m", "examples.serving.model"],
        cwd=ROOT,
        env={**os.environ, **{f"MODEL_{name.upper()}": text for name, text in given.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 2 == done.returncode
    (line,) = done.stderr.splitlines()
    assert said in line


def test_a_port_that_is_taken(store: str, start: Start) -> None:
    """A taken port is one line with the next step, and exit code 2."""
    port = start(store).address.port
    settings = {"STORE": store, "VERSION": "1", "SIGNING_KEY": KEY, "PORT": str(port)}
    done = subprocess.run(
        [sys.executable, "-m", "examples.serving.model"],
        cwd=ROOT,
        env={**os.environ, **{f"MODEL_{name}": text for name, text in settings.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 2 == done.returncode
    assert f"MODEL_PORT: cannot listen on 127.0.0.1:{port}: " in done.stderr
    assert 1 == len(done.stderr.splitlines())


def test_a_body_that_lies_about_its_length(store: str, start: Start) -> None:
    """A body that ends early is no request, and holds up no other."""
    process = start(store, patience_s="0.3")
    _await_ready(process)
    connection = http.client.HTTPConnection(process.address.host, process.address.port, timeout=20)
    connection.putrequest("POST", INFER)
    connection.putheader("authorization", f"Bearer {sign(KEY, INFER, b'{', time.time())}")
    connection.putheader("content-length", "100")
    connection.endheaders(b"{")
    answer = connection.getresponse()
    assert (408, ["error"]) == (answer.status, list(json.load(answer)))
    connection.close()
    assert 200 == _ready(process.address)[0]
