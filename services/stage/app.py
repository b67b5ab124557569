"""The HTTP app of a service: `/health`, `/metrics`, and one task path that streams events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import cache
from http import HTTPStatus
from typing import Any

import anyio
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from mapreduce.errors import MapReduceError, UsageError
from mapreduce.storage import Grants
from mapreduce.version import VERSION
from mapreduce.wire.build import this_build
from mapreduce.wire.messages import (
    Done,
    Health,
    MapTask,
    ReduceTask,
    SplitTask,
    StageName,
    TaskError,
    parse_event,
)
from services.shell.http.replays import Crowded, ReplayGuard
from services.shell.http.requests import read_body, refusal, unavailable
from services.shell.serve import State
from services.stage.metrics import Metrics
from services.stage.settings import Settings
from services.stage.workers.pool import Busy, WorkerPool

Message = SplitTask | MapTask | ReduceTask
SENT_BYTES = 64 << 10
"""An event is sent in pieces of this length. Between them the server waits until the client has
read enough; a whole event of megabytes would be encrypted at once and lie in memory, uncounted.
"""
log = structlog.get_logger()


def create_app(
    settings: Settings, pool: WorkerPool, state: State, *, stage: StageName, message: type[Message]
) -> FastAPI:
    """Return the app of one stage.

    Args:
        settings: the service's settings.
        pool: the workers; started and closed with the app.
        state: shared with the server, which stops the service.
        stage: names the task path: `POST /<stage>`.
        message: the model of the stage's tasks.
    """
    metrics = Metrics(pool)
    tasks = _Tasks(settings, pool, state, metrics, stage, message)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # anyio imports its backend at first use; import it now, because at the first request there
        # may be no file descriptor left for it
        await anyio.sleep(0)
        await pool.start(lost=state.stop)
        yield
        await pool.close()

    # a client without a token gets no schema and no redirect
    app = FastAPI(
        title=f"MapReduce: {stage}", lifespan=lifespan, openapi_url=None, redirect_slashes=False
    )

    @app.get("/health")
    async def health() -> Health:
        """Return the service's slots, state, build and image."""
        return _health(stage, pool, settings, draining=state.draining)

    @app.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Return counts for Prometheus; they reveal no data, so they need no token."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.post(
        tasks.path,
        openapi_extra=(described := dict[str, Any]()),
        responses=_RESPONSES,
        response_class=StreamingResponse,
    )
    async def task(request: Request) -> Response:
        """Run one task, and answer with its events, one JSON object a line."""
        response = await tasks.answer(request)
        metrics.requests.labels(str(response.status_code)).inc()
        return response

    def openapi() -> dict[str, Any]:
        described.update(_body_of(message))  # slow, and no service answers with it
        return FastAPI.openapi(app)

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


def _health(stage: StageName, pool: WorkerPool, settings: Settings, *, draining: bool) -> Health:
    return Health(
        ok=True,
        role=stage,
        slots=pool.able,
        busy=pool.busy,
        draining=draining,
        build=this_build(),
        version=VERSION,
        image_tag=settings.image_tag or None,
    )


class _Tasks:
    """The task path of a service: from a request to the events of its task."""

    def __init__(
        self,
        settings: Settings,
        pool: WorkerPool,
        state: State,
        metrics: Metrics,
        stage: StageName,
        message: type[Message],
    ) -> None:
        self.path = f"/{stage}"
        self._settings = settings
        self._pool = pool
        self._state = state
        self._metrics = metrics
        self._stage: StageName = stage
        self._message = message
        self._seen = ReplayGuard()

    async def answer(self, request: Request) -> Response:
        """Return the stream of a task's events, or a refusal."""
        try:
            body = await read_body(request, self.path, self._settings, self._seen)
            # in a thread: a large message, and the resolution of symbolic links, block the loop
            parsed = await anyio.to_thread.run_sync(_checked, self._message, body, self._settings)
        except (MapReduceError, ValidationError) as exc:
            return refusal(exc)
        except Crowded:
            return unavailable("too many requests a minute")
        except ClientDisconnect:
            # the client has disconnected, so this answer is only counted
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        if self._state.draining:
            return unavailable("this service is stopping; try another one")
        try:
            self._pool.take()
        except Busy:
            return unavailable("every slot has a task")
        return _EventStream(self._events(parsed), media_type="application/jsonl")

    async def _events(self, parsed: Message) -> AsyncIterator[bytes]:
        started = time.perf_counter()
        outcome = "cancelled"
        index = getattr(parsed, "index", 0)
        bound = log.bind(run=parsed.run, task=f"{self._stage}-{index}", attempt=parsed.attempt)
        try:
            async with aclosing(self._pool.run(parsed)) as events:
                async for event in events:
                    if event.last:
                        last = parse_event.validate_json(event.line)
                        outcome = "done" if isinstance(last, Done) else "failed"
                    for at in range(0, len(event.line), SENT_BYTES):
                        yield event.line[at : at + SENT_BYTES]
        finally:
            seconds = time.perf_counter() - started
            self._metrics.tasks.labels(outcome).inc()
            self._metrics.seconds.observe(seconds)
            bound.info("task", outcome=outcome, seconds=round(seconds, 3))


class _EventStream(StreamingResponse):
    """A stream that closes its source when the client disconnects, not at the next event."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(watch)
            try:
                await self.stream_response(send)
            finally:
                group.cancel_scope.cancel()


def _checked(message: type[Message], body: bytes, settings: Settings) -> Message:
    """Return the task in a body.

    Raises:
        ValidationError: the body is not a task of this stage.
        RefusedURL, UsageError: as `check_urls`.
    """
    parsed = message.model_validate_json(body)
    check_urls(parsed, settings.grants, settings.patience_s)
    return parsed


def check_urls(task: Message, grants: Grants, limit_s: float) -> None:
    """Check that a task names only places that this service may use, before anything is read.

    Raises:
        RefusedURL: names the first place that it may not use.
        UsageError: the check takes longer than `limit_s`.
    """
    until = time.monotonic() + limit_s
    grants.check(task.store.rstrip("/") + "/", "write")
    if isinstance(task, SplitTask):
        urls = [given.url for given in task.inputs]
    elif isinstance(task, MapTask):
        urls = [piece.url for piece in task.split.pieces]
        urls += [task.boundaries.url] if task.boundaries else []
    else:
        # those that the list names are checked by the worker's storage, before each read
        urls = [task.outputs.url] if task.outputs else []
    for url in dict.fromkeys(urls):  # many byte ranges belong to one object
        grants.check(url, "read")
        if time.monotonic() > until:
            raise UsageError(
                f"the task's URLs were not checked within {limit_s:g} s; give a task fewer objects"
            )


@cache  # a service of the local fleet is forked from a process that has called it
def _body_of(message: type[Message]) -> dict[str, Any]:
    """Return the request's OpenAPI schema.

    The body is read raw, because the token signs its bytes, so FastAPI cannot derive the schema.
    """
    schema = message.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _inlined(schema)}},
        },
        "security": [{"bearer": []}],
    }


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolve(definitions[node["$ref"].rpartition("/")[2]])
            return {name: resolve(item) for name, item in node.items()}
        return [resolve(item) for item in node] if isinstance(node, list) else node

    resolved: dict[str, Any] = resolve(schema)
    return resolved


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The task's events, one JSON object a line",
        "content": {"application/jsonl": {}},
    },
    401: {
        "description": "No token, or one that is invalid for this request or used before",
        "model": TaskError,
    },
    403: {"description": "A URL that this service may not use", "model": TaskError},
    408: {"description": "A body that did not arrive in time", "model": TaskError},
    413: {"description": "A body over the limit", "model": TaskError},
    422: {"description": "A task that cannot be run", "model": TaskError},
    503: {"description": "No free slot; see Retry-After", "model": TaskError},
}
