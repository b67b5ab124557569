"""A model server's answers, through its app, without a process or a port."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.types import Message

from examples.serving.model.app import create_app
from examples.serving.model.batcher import Arrays
from examples.serving.model.service import ModelService
from examples.serving.model.session import Model
from examples.serving.model.settings import Settings
from examples.serving.model.tensors import Array, TensorSpec
from examples.serving.model_store import ModelRefused
from mapreduce.wire.tokens import sign
from services.shell.serve import State

KEY = "k" * 32
INFER = "/v2/models/digits/infer"
BODY = json.dumps(
    {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [2]}]}
).encode()


class Doubling(Model):
    """A model that doubles x, and can be held up."""

    def __init__(self) -> None:
        self.inputs = (TensorSpec("x", "FP32", (-1, 1)),)
        self.outputs = (TensorSpec("y", "FP32", (-1, 1)),)
        self.has_rows = True
        self.free = threading.Event()
        self.free.set()

    def run(self, inputs: Arrays) -> dict[str, Array]:
        """Return 2 x."""
        assert self.free.wait(10)
        with np.errstate(over="ignore"):
            return {"y": inputs["x"] * np.float32(2)}


@dataclass
class Served:
    """A client of an app."""

    client: httpx.AsyncClient
    service: ModelService
    state: State
    app: Any

    async def infer(self, body: bytes = BODY, path: str = INFER, **given: Any) -> httpx.Response:
        """Send a signed request."""
        token = given.pop("token", None) or sign(KEY, path, body, time.time())
        headers = {"authorization": f"Bearer {token}"}
        return await self.client.post(path, content=body, headers=headers, **given)


@asynccontextmanager
async def served(load: Callable[[Settings], Model], **changed: Any) -> AsyncIterator[Served]:
    """An app with its model loaded, or refused."""
    given = {"store": "file:///nowhere", "version": "1", "signing_key": KEY, **changed}
    settings, state = Settings(**given), State()
    app, service = create_app(settings, state, "task/container", load=load)

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": {}}, receive, send)  # the server adds it

    transport = httpx.ASGITransport(app=with_state)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://model") as client,
    ):
        for _ in range(1000):
            if service.is_loaded or "loaded" not in (service.why_not_ready or ""):
                break
            await asyncio.sleep(0.001)
        yield Served(client, service, state, with_state)


def _refused(_: Settings) -> Model:
    raise ModelRefused("the file has another digest")


def test_an_inference() -> None:
    """A signed request is answered, by name and by version, and the answer says by whom."""

    async def main() -> None:
        async with served(lambda _: Doubling()) as here:
            for path in (INFER, "/v2/models/digits/versions/1/infer"):
                answer = await here.infer(path=path)
                assert 200 == answer.status_code
                assert [4] == answer.json()["outputs"][0]["data"]
                assert "task/container" == answer.headers["served-by"]
            assert b'model_requests_total{status="200"} 2.0' in here.service.metrics.text()
            assert 0 == here.service.in_progress

    asyncio.run(main())


def test_requests_without_a_good_token() -> None:
    """A token is needed, is good for one path and one body, and for one use."""

    async def main() -> None:
        async with served(lambda _: Doubling()) as here:
            now = time.time()
            assert 401 == (await here.client.post(INFER, content=BODY)).status_code
            bad = [
                "x",
                sign("l" * 32, INFER, BODY, now),
                sign(KEY, INFER, b"other", now),
                sign(KEY, "/v2/models/digits/versions/1/infer", BODY, now),
                sign(KEY, INFER, BODY, now - 120),
            ]
            for token in bad:
                answer = await here.infer(token=token)
                assert (401, {"error": "unauthorized"}) == (answer.status_code, answer.json())
            once = sign(KEY, INFER, BODY, now)
            assert 200 == (await here.infer(token=once)).status_code
            assert 401 == (await here.infer(token=once)).status_code

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v2/models/other/infer", BODY, 404, "this server has digits"),
        ("/v2/models/digits/versions/2/infer", BODY, 404, "this server has version 1 of digits"),
        ("/v2/models/di%2Fgits/infer", BODY, 404, "Not Found"),
        (INFER, b"{", 400, "no inference request"),
        (INFER, BODY.replace(b"FP32", b"INT8"), 400, "the model takes FP32"),
        (INFER, BODY.replace(b"[2]", b"[3e38]"), 400, "not finite"),
        (INFER, b" " * ((8 << 20) + 1), 413, "larger than 8 MiB"),
    ],
)
def test_requests_that_are_refused(path: str, body: bytes, status: int, message: str) -> None:
    """Each refusal has the protocol's form: its status, and `error` alone."""

    async def main() -> None:
        async with served(lambda _: Doubling()) as here:
            answer = await here.infer(body, path)
            assert status == answer.status_code
            assert ["error"] == list(answer.json())
            assert message in answer.json()["error"]
            assert "task/container" == answer.headers["served-by"]

    asyncio.run(main())


def test_a_large_request_is_answered_as_a_small_one() -> None:
    """A body and an answer that are converted in threads are the same as others."""

    async def main() -> None:
        async with served(lambda _: Doubling()) as here:
            values = list(range(40_000))
            tensor = {"name": "x", "datatype": "FP32", "shape": [40_000, 1], "data": values}
            answer = await here.infer(json.dumps({"inputs": [tensor]}).encode())
            assert [2 * value for value in values] == answer.json()["outputs"][0]["data"]

    asyncio.run(main())


def test_a_server_without_its_model() -> None:
    """It is live, never ready, not healthy, refuses, and says why."""

    async def main() -> None:
        async with served(_refused) as here:
            why = "the file has another digest"
            assert {"live": True} == (await here.client.get("/v2/health/live")).json()
            ready = await here.client.get("/v2/health/ready")
            assert (503, {"ready": False, "error": why}) == (ready.status_code, ready.json())
            ready = await here.client.get("/v2/models/digits/ready")
            assert (503, "digits") == (ready.status_code, ready.json()["name"])
            answer = await here.infer()
            assert (503, {"error": why}) == (answer.status_code, answer.json())
            assert "1" == answer.headers["retry-after"]
            assert 503 == (await here.client.get("/v2/models/digits")).status_code
            health = (await here.client.get("/health")).json()
            assert (False, why) == (health["ok"], health["error"])

    asyncio.run(main())


def test_a_server_with_its_model() -> None:
    """It is ready, healthy, and describes server and model."""

    async def main() -> None:
        async with served(lambda _: Doubling()) as here:
            assert {"ready": True} == (await here.client.get("/v2/health/ready")).json()
            for path in ("/v2/models/digits/ready", "/v2/models/digits/versions/1/ready"):
                ready = (await here.client.get(path)).json()
                assert {"name": "digits", "ready": True} == ready
            assert (await here.client.get("/health")).json()["ok"]
            assert [] == (await here.client.get("/v2")).json()["extensions"]
            model = (await here.client.get("/v2/models/digits/versions/1")).json()
            assert ["x", "y"] == [model["inputs"][0]["name"], model["outputs"][0]["name"]]
            for path in ("/v2/models/other", "/v2/models/digits/versions/2/ready", "/openapi.json"):
                assert 404 == (await here.client.get(path)).status_code
            refused = await here.client.put(INFER)
            assert (405, ["error"]) == (refused.status_code, list(refused.json()))
            assert "model_loaded 1.0" in (await here.client.get("/metrics")).text

    asyncio.run(main())


def test_a_server_that_drains() -> None:
    """It takes nothing new, is not ready, and finishes what is in progress."""

    async def main() -> None:
        model = Doubling()
        async with served(lambda _: model) as here:
            model.free.clear()
            first = asyncio.ensure_future(here.infer())
            while not here.service.in_progress:
                await asyncio.sleep(0)
            here.state.draining = True
            assert 503 == (await here.client.get("/v2/health/ready")).status_code
            refused = await here.infer()
            assert (503, "the server stops") == (refused.status_code, refused.json()["error"])
            model.free.set()
            assert 200 == (await first).status_code

    asyncio.run(main())


def test_a_full_queue_asks_to_come_again() -> None:
    """With a full queue a request gets 503 at once, with Retry-After."""

    async def main() -> None:
        model = Doubling()
        async with served(lambda _: model, queue=1) as here:
            model.free.clear()
            asked = [asyncio.ensure_future(here.infer()) for _ in range(8)]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            model.free.set()
            answers = await asyncio.gather(*asked)
            assert {200, 503} == {answer.status_code for answer in answers}
            refused = [answer for answer in answers if answer.status_code == 503]
            assert {"1"} == {answer.headers["retry-after"] for answer in refused}
            assert {"the queue is full"} == {answer.json()["error"] for answer in refused}

    asyncio.run(main())


def test_a_caller_who_hangs_up() -> None:
    """The work of a caller who hangs up in the queue is never done."""

    async def main() -> None:
        model = Doubling()
        async with served(lambda _: model) as here:
            model.free.clear()
            first = asyncio.ensure_future(here.infer())
            while not here.service.in_progress:
                await asyncio.sleep(0)
            gone: asyncio.Queue[Message] = asyncio.Queue()
            gone.put_nowait({"type": "http.request", "body": BODY, "more_body": False})
            token = sign(KEY, INFER, BODY, time.time())
            scope = {
                "type": "http",
                "method": "POST",
                "path": INFER,
                "raw_path": INFER.encode(),
                "query_string": b"",
                "headers": [(b"authorization", f"Bearer {token}".encode())],
            }
            sent: list[Message] = []

            async def send(message: Message) -> None:
                sent.append(message)

            second = asyncio.ensure_future(here.app(scope, gone.get, send))
            while here.service.in_progress < 2:
                await asyncio.sleep(0)
            gone.put_nowait({"type": "http.disconnect"})
            await second
            assert 1 == here.service.in_progress
            model.free.set()
            assert 200 == (await first).status_code
            assert b"model_cancelled_total 1.0" in here.service.metrics.text()
            assert 499 == sent[0]["status"]

    asyncio.run(main())


def test_a_slow_container_can_be_tried_out() -> None:
    """The delay of the settings is added to each batch."""

    async def main() -> None:
        async with served(lambda _: Doubling(), delay_ms=30) as here:
            began = time.perf_counter()
            assert 200 == (await here.infer()).status_code
            assert time.perf_counter() - began >= 0.03

    asyncio.run(main())


def test_metrics_are_logged_for_cloudwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each period with a request is a line of the log."""
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "examples.serving.model.service.log.info", lambda event, **line: lines.append(line)
    )

    async def main() -> None:
        async with served(lambda _: Doubling(), metrics_s=0.001, stack="mine") as here:
            await here.infer()
            while not lines:
                await asyncio.sleep(0.001)
        assert ("mine", 1) == (lines[0]["Stack"], lines[0]["Requests"])

    asyncio.run(main())
