"""One model server's work: from a signed request to its answer, and what it says of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from random import Random
from typing import Any

import structlog
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from examples.serving.model.batcher import Arrays, Batcher, QueueLimits
from examples.serving.model.batching import SizePolicy
from examples.serving.model.cloudwatch import Period
from examples.serving.model.errors import UnknownModel, Unready
from examples.serving.model.metrics import Metrics
from examples.serving.model.protocol import (
    Inference,
    answer,
    error_body,
    model_metadata,
    parse_request,
)
from examples.serving.model.session import Model
from examples.serving.model.settings import Settings
from examples.serving.model.tensors import Array
from mapreduce.errors import MapReduceError
from mapreduce.version import VERSION
from services.shell.http.replays import Crowded, ReplayGuard
from services.shell.http.requests import read_body
from services.shell.serve import State

HUNG_UP = 499
"""The status in the metrics of a request whose caller has left."""
LARGE_BYTES = 64 << 10
"""A larger body or answer is converted in a thread, so that it does not hold up the others."""
TOKENS = 1_000_000
"""Requests a minute at most, since each token is remembered until it expires."""
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 408: {"Connection": "close"}}
log = structlog.get_logger("examples.serving.model")


class ModelService:
    """A model, its queue, and the answers.

    Args:
        settings: the server's settings.
        state: shared with the HTTP server.
    """

    def __init__(self, settings: Settings, state: State) -> None:
        self._settings = settings
        self._state = state
        self._seen = ReplayGuard(TOKENS)
        self._model: Model | None = None
        self._batcher: Batcher | None = None
        self._why = "the model is being loaded"
        self.in_progress = 0
        self._period = Period(settings.stack, settings.name, settings.version, Random())
        self.metrics = Metrics(
            lambda: self._batcher.waiting if self._batcher else 0,
            lambda: self._batcher.limit if self._batcher else 0,
            lambda: self.is_loaded,
            self._period,
        )

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in service."""
        return self._batcher is not None

    @property
    def why_not_ready(self) -> str | None:
        """Why requests are not taken now, or None if they are."""
        if self._state.draining:
            return "the server stops"
        return None if self.is_loaded else self._why

    # -- the interface for `loading` -----------------------------------------------------------

    def not_loaded(self, why: str) -> None:
        """Note why there is no model yet."""
        self._why = why

    def loaded(self, model: Model) -> None:
        """Take a model into service."""
        settings = self._settings
        policy = SizePolicy(settings.latency_ms / 1000)
        if not settings.batching:
            policy = SizePolicy(settings.latency_ms / 1000, largest=1)
        self._model = model
        self._batcher = Batcher(
            self._delayed(model),
            has_rows=model.has_rows and settings.batching,
            policy=policy,
            limits=QueueLimits(settings.queue, settings.queue_mb << 20),
            observer=self.metrics,
        )
        self._serving = asyncio.create_task(self._batcher.serve())
        self._serving.add_done_callback(self._ended)

    async def close(self) -> None:
        """End the queue's task."""
        if self._batcher is not None:
            self._serving.cancel()
            await asyncio.wait({self._serving})

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("the queue has ended; the server stops", error=repr(exc))
            self._state.stop()

    def _delayed(self, model: Model) -> Any:
        if not self._settings.delay_ms:
            return model.run

        def run(inputs: Arrays) -> dict[str, Array]:
            time.sleep(self._settings.delay_ms / 1000)
            return model.run(inputs)

        return run

    async def log_metrics(self) -> None:
        """Log the metrics of each period until this is cancelled."""
        while self._settings.metrics_s:
            await asyncio.sleep(self._settings.metrics_s)
            if line := self._period.end(time.time()):
                log.info("metrics", **line)

    # -- answers -------------------------------------------------------------------------------

    async def infer(self, request: Request, name: str, version: str | None) -> Response:
        """Return the answer to an inference request."""
        began = time.perf_counter()
        self.in_progress += 1
        try:
            response = await self._inferred(request, name, version)
        except (MapReduceError, Crowded) as exc:
            response = refusal(exc)
        except ClientDisconnect:
            response = Response(status_code=HUNG_UP)
        finally:
            self.in_progress -= 1
        self.metrics.request(response.status_code, time.perf_counter() - began)
        return response

    async def _inferred(self, request: Request, name: str, version: str | None) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        body = await read_body(request, path, self._settings, self._seen)
        self.check_name(name, version)
        model, batcher = self._model, self._batcher
        if model is None or batcher is None or self._state.draining:
            raise Unready(self.why_not_ready or "")
        if len(body) > LARGE_BYTES:
            inference = await asyncio.to_thread(parse_request, body, model.inputs, model.outputs)
        else:
            inference = parse_request(body, model.inputs, model.outputs)
        results = await until_hung_up(request, batcher.submit(inference.inputs))
        return await self._answered(inference, results)

    async def _answered(self, inference: Inference, results: Arrays) -> Response:
        given = (inference, self._settings.name, self._settings.version, results)
        if sum(array.nbytes for array in results.values()) > LARGE_BYTES:
            content = await asyncio.to_thread(answer, *given)
        else:
            content = answer(*given)
        return Response(content, media_type="application/json")

    def check_name(self, name: str, version: str | None) -> None:
        """Check that a request is for this server's model.

        Raises:
            UnknownModel: it is for another.
        """
        ours = self._settings
        if name != ours.name or version not in (None, ours.version):
            raise UnknownModel(
                f"no version {version!r} of a model {name!r} here: this server has version "
                f"{ours.version} of {ours.name}"
                if version
                else f"no model {name!r} here: this server has {ours.name}"
            )

    def ready(self, body: dict[str, Any]) -> Response:
        """Return whether requests are taken, and if not, why."""
        why = self.why_not_ready
        if why is None:
            return JSONResponse({**body, "ready": True})
        return JSONResponse({**body, "ready": False, **error_body(why)}, status_code=503)

    def metadata(self) -> dict[str, Any]:
        """Return the description of the model.

        Raises:
            Unready: it is not loaded.
        """
        if self._model is None:
            raise Unready(self._why)
        settings = self._settings
        return model_metadata(
            settings.name, settings.version, self._model.inputs, self._model.outputs
        )

    def health(self) -> dict[str, Any]:
        """Return the state for the container's health check: ok once the model is loaded."""
        return {
            "ok": self.is_loaded,
            "role": "model",
            "model": self._settings.name,
            "model_version": self._settings.version,
            "draining": self._state.draining,
            "busy": self.in_progress,
            "error": None if self.is_loaded else self._why,
            "version": VERSION,
            "image_tag": self._settings.image_tag or None,
        }


def refusal(exc: MapReduceError | Crowded) -> JSONResponse:
    """Return the answer to a request that is not answered by the model."""
    if isinstance(exc, Crowded):
        status, message = 503, "too many requests a minute"
    else:
        status, message = exc.http_status, str(exc)
    headers = _HEADERS.get(status)
    if status == 503:
        headers = {"Retry-After": "1"}
    return JSONResponse(error_body(message), status_code=status, headers=headers)


async def until_hung_up(
    request: Request, work: Coroutine[Any, Any, dict[str, Array]]
) -> dict[str, Array]:
    """Return the result of work, and cancel the work if the caller hangs up.

    Raises:
        ClientDisconnect: the caller has hung up.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
