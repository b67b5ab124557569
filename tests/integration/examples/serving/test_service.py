"""Router and model servers together: tokens, TLS, versions, and the command of a laptop."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from examples.parameter_server.data import micro_batch_rows
from examples.parameter_server.export import write_model
from examples.parameter_server.models import Network, model_named
from examples.serving.bench.fleet import ROOT, ModelProcess, RouterProcess, ask, listed
from examples.serving.laptop import fill
from examples.serving.sample import read_digits
from examples.serving.wire import infer_path, model_path
from mapreduce.storage import open_storage
from mapreduce.wire.tokens import new_key

pytestmark = pytest.mark.timeout(110)
ROW = {"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": [0.5] * 64}
BODY = json.dumps({"id": "7", "inputs": [ROW]}).encode()
Start = Callable[..., ModelProcess]


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return a store with versions 1 and 2 of the small model."""
    url = (tmp_path / "store").as_uri()
    for version in ("1", "2"):
        fill(url, "digits", version, None)
    return url


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Return a stack of what ends with the test."""
    with ExitStack() as ends:
        yield ends


def _model(stack: ExitStack, store: str, version: str, key: str, **settings: str) -> ModelProcess:
    model = ModelProcess(store, version, f"v{version}/0", key, settings)
    stack.callback(model.stop)
    return model


def _router(stack: ExitStack, models: str, ready: int, **settings: str) -> RouterProcess:
    router = RouterProcess(models, {"probe_s": "0.2"} | settings)
    stack.callback(router.stop)
    router.await_ready(ready)
    return router


def test_an_inference_through_the_router_over_tls(stack: ExitStack, store: str) -> None:
    """The router signs and encrypts; a caller needs neither, and gets the model's answer."""
    key = new_key()
    model = _model(stack, store, "1", key, tls="true")
    router = _router(stack, str(model.address), 1, signing_key=key, model_tls="true")
    status, answer = ask(router.address, "POST", infer_path("digits"), BODY)
    assert status == 200
    found = json.loads(answer)
    assert found["id"] == "7"
    assert sum(found["outputs"][0]["data"]) == pytest.approx(1, abs=1e-5)
    status, answer = ask(router.address, "GET", model_path("digits"))
    assert (status, json.loads(answer)["name"]) == (200, "digits")
    bad = json.dumps({"inputs": [ROW | {"shape": [1, 63]}]}).encode()
    status, answer = ask(router.address, "POST", infer_path("digits"), bad)
    assert status == 400
    assert "error" in json.loads(answer)


def test_a_model_of_another_key_is_not_ready(stack: ExitStack, store: str) -> None:
    """Its certificate proves another stack, so it gets no request, and the log says why."""
    model = _model(stack, store, "1", new_key(), tls="true")
    router = _router(stack, str(model.address), 0, model_tls="true")
    status, answer = ask(router.address, "POST", infer_path("digits"), BODY)
    assert status == 503
    assert "no container of the model is ready" in json.loads(answer)["error"]


def test_a_path_in_another_spelling_is_the_same_path(stack: ExitStack, store: str) -> None:
    """The router signs what the container reads, so such requests eject no container."""
    key = new_key()
    model = _model(stack, store, "1", key)
    router = _router(stack, str(model.address), 1, signing_key=key)
    for _ in range(5):
        path = infer_path("%64igits") + "?a=b"
        assert ask(router.address, "POST", path, BODY)[0] == 200
    assert router.metric("router_ejections_total") == 0


def test_a_model_of_the_parameter_server(stack: ExitStack, tmp_path: Path) -> None:
    """The file that training exports answers the held-out digits, through the router."""
    network, storage, key = model_named("mlp"), open_storage(), new_key()
    assert isinstance(network, Network)
    theta = network.init(1)
    for clock in range(400):
        rows = micro_batch_rows(1, clock, 0, 256, network.training_rows)
        theta = theta - 0.5 * network.gradient(theta, rows)[1]
    write_model(storage, tmp_path.as_uri(), "digits", "7", network, theta)
    model = _model(stack, tmp_path.as_uri(), "7", key)
    router = _router(stack, str(model.address), 1, signing_key=key)
    _, held_out = read_digits()
    row = ROW | {"shape": [360, 64], "data": held_out.pixels.ravel().tolist()}
    body = json.dumps({"inputs": [row], "outputs": [{"name": "digit"}]}).encode()
    status, answer = ask(router.address, "POST", infer_path("digits"), body)
    assert status == 200
    found = json.loads(answer)["outputs"][0]["data"]
    right = sum(map(int.__eq__, found, held_out.labels.tolist()))
    assert right / 360 >= 0.97


def test_a_canary_of_another_version(stack: ExitStack, store: str) -> None:
    """An inference may go to the canary; one that names a version gets that version."""
    key = new_key()
    stable, canary = (_model(stack, store, version, key) for version in ("1", "2"))
    router = _router(
        stack,
        listed([stable.address]),
        2,
        signing_key=key,
        canary=str(canary.address),
        canary_percent="100",
    )
    path = infer_path("digits")
    assert json.loads(ask(router.address, "POST", path, BODY)[1])["model_version"] == "2"
    path = infer_path("digits", "1")
    assert json.loads(ask(router.address, "POST", path, BODY)[1])["model_version"] == "1"


def test_containers_that_do_not_become_ready_end_the_command(tmp_path: Path) -> None:
    """The command says so, shows the log's end, and exits 1; no process is left."""
    code = (
        "import sys; from examples.serving import __main__, laptop;"
        "laptop.READY_S = 0.01; sys.exit(__main__.main(sys.argv[1:]))"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    command = [sys.executable, "-c", code, "--machines", "1", "--containers", "1", "--port", port]
    log = tmp_path / "run.log"
    (tmp_path / "example.json").write_text("mine")
    ended = subprocess.run(
        [*command, "--log", str(log)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert "only 0 of 1 containers are ready after 0.01 s" in ended.stdout
    assert (tmp_path / "example.json").read_text() == "mine"


def test_the_command_of_a_laptop(tmp_path: Path) -> None:
    """One command starts everything and says what to do; Ctrl-C ends every process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "examples.serving", "--machines", "1", "--containers", "2"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--log", str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting 2 containers and a router ...\n"
        assert "1 machines x 2 containers" in process.stdout.readline()
        asked = [*command[:3], "load", "--port", str(port), "--requests", "30", "--rate", "30"]
        load = subprocess.run(asked, capture_output=True, text=True, cwd=ROOT, check=False)
        assert load.returncode == 0, load.stdout + load.stderr
        assert "good       30" in load.stdout
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 4
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert output.endswith("stopped\n")
    assert process.returncode == 0
    deadline = time.monotonic() + 5
    while any(child.is_running() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(child.is_running() for child in children)
