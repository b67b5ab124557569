"""The HTTP app of a model server: the paths of the Open Inference Protocol V2, and the shell's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from examples.serving.model.loading import fetch, keep_loading
from examples.serving.model.openapi import (
    INFER_BODY,
    INFER_RESPONSES,
    METADATA_RESPONSES,
    READY_RESPONSES,
    Live,
    ServerMetadata,
)
from examples.serving.model.protocol import error_body, server_metadata
from examples.serving.model.service import ModelService, refusal
from examples.serving.model.settings import Settings
from examples.serving.wire import LIVE, READY, SERVED_BY, SERVER, infer_path, model_path
from mapreduce.errors import MapReduceError
from services.shell.metrics import CONTENT_TYPE
from services.shell.serve import State

NAME, VERSION = "{name}", "{version}"


def create_app(
    settings: Settings, state: State, served_by: str, *, load: Any = fetch
) -> tuple[FastAPI, ModelService]:
    """Return the app and its service.

    Args:
        settings: the server's settings.
        state: shared with the HTTP server, which stops the service.
        served_by: who answers, for a header of each answer.
        load: loads the model.
    """
    service = ModelService(settings, state)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = {
            asyncio.create_task(keep_loading(settings, service, state.stop, load=load)),
            asyncio.create_task(service.log_metrics()),
        }
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await service.close()

    app = FastAPI(
        title="Model server",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(_ServedBy, name=served_by)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(MapReduceError, _refused)
    _add_own_paths(app, service)
    _add_model_paths(app, service)
    return app, service


def _add_own_paths(app: FastAPI, service: ModelService) -> None:
    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Return whether the container works."""
        return service.health()

    @app.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Return counts for Prometheus; they reveal no data, so they need no token."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    @app.get(SERVER)
    async def server() -> ServerMetadata:
        """Return what the server says of itself."""
        return ServerMetadata(**server_metadata())

    @app.get(LIVE)
    async def live() -> Live:
        """Answer while the process works, with or without a model."""
        return Live(live=True)

    @app.get(READY, responses=READY_RESPONSES)
    async def ready() -> Response:
        """Return whether inference requests are taken."""
        return service.ready({})


def _add_model_paths(app: FastAPI, service: ModelService) -> None:
    @app.get(model_path(NAME), responses=METADATA_RESPONSES)
    @app.get(model_path(NAME, VERSION), responses=METADATA_RESPONSES)
    async def metadata(name: str, version: str | None = None) -> Response:
        """Return the inputs and outputs of the model."""
        service.check_name(name, version)
        return JSONResponse(service.metadata())

    @app.get(f"{model_path(NAME)}/ready", responses=READY_RESPONSES)
    @app.get(f"{model_path(NAME, VERSION)}/ready", responses=READY_RESPONSES)
    async def model_ready(name: str, version: str | None = None) -> Response:
        """Return whether inference requests for the model are taken."""
        service.check_name(name, version)
        return service.ready({"name": name})

    @app.post(infer_path(NAME), openapi_extra=INFER_BODY, responses=INFER_RESPONSES)
    @app.post(infer_path(NAME, VERSION), openapi_extra=INFER_BODY, responses=INFER_RESPONSES)
    async def infer(request: Request) -> Response:
        """Run the model on the tensors of the request."""
        given = request.path_params
        return await service.infer(request, given["name"], given.get("version"))


async def _http_error(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    return JSONResponse(
        error_body(str(exc.detail)), status_code=exc.status_code, headers=exc.headers
    )


async def _refused(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, MapReduceError)
    return refusal(exc)


class _ServedBy:
    """Names the container in a header of each answer."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._header = (SERVED_BY.encode(), name.encode("ascii", "replace"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self._header]
            await send(message)

        await self._app(scope, receive, named if scope["type"] == "http" else send)
