"""The album service over HTTP: `GET /albums`, `GET /albums/ID`, `POST /albums`.

Every answer but the metrics is JSON with four spaces of indent; that to a refused request is
`{"message": ...}`. The three albums in the code need no store.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, TypeVar

import structlog
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from examples.albums.album import SEEDS, Album, in_json, is_id
from examples.albums.settings import AlbumSettings
from examples.albums.store import AlbumStore
from examples.albums.traffic import Traffic
from mapreduce.errors import MapReduceError, StorageError
from mapreduce.version import VERSION
from services.shell.http.requests import whole_body
from services.shell.metrics import CONTENT_TYPE

STORE_THREADS = 32
"""Requests to the store at a time. A store that hangs keeps these threads, and no others."""
RETRY_AFTER_S = 1
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
Answer = TypeVar("Answer")
log = structlog.get_logger()


class Message(BaseModel):
    """The body of an answer to a refused request."""

    message: str


class Refused(Exception):
    """A request that gets an answer other than an album.

    Args:
        status: of the answer.
        message: for the client.
        headers: of the answer.
    """

    def __init__(self, status: HTTPStatus, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def create_app(settings: AlbumSettings, store: AlbumStore, traffic: Traffic) -> FastAPI:
    """Return the app.

    Args:
        settings: the service's settings.
        store: the added albums.
        traffic: counts the requests, and knows whether the service is stopping.
    """
    albums = _Albums(settings, store)
    app = FastAPI(title="Albums", version=VERSION, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.add_middleware(traffic.observe)
    for kind in (Refused, HTTPException, MapReduceError, TimeoutError, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _refusal)

    @app.get("/health")
    async def health() -> Response:
        """Return whether the service works; the store does not count."""
        state = {"ok": True, "draining": traffic.draining, "version": VERSION}
        return _answer(HTTPStatus.OK, state | {"image_tag": settings.image_tag})

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Return counts for Prometheus."""
        return Response(traffic.metrics(), media_type=CONTENT_TYPE)

    app.get("/albums", responses=_of(200, list[Album]) | _of(503))(albums.list)
    app.post(
        "/albums",
        status_code=HTTPStatus.CREATED,
        responses=_of(201, Album) | _of(408, 409, 413, 415, 422, 503),
        openapi_extra={"requestBody": _BODY},
    )(albums.add)
    # with slashes, so that an id that contains one is answered as an unknown id
    app.get("/albums/{album_id:path}", responses=_of(200, Album) | _of(404, 503))(albums.get)
    for path, answer in (
        *(("/albums", albums.list), ("/albums/{album_id:path}", albums.get)),
        *(("/health", health), ("/metrics", metrics)),
    ):
        app.add_api_route(path, answer, methods=["HEAD"], include_in_schema=False)
    return app


class _Albums:
    """The answers about albums."""

    def __init__(self, settings: AlbumSettings, store: AlbumStore) -> None:
        self._settings = settings
        self._store = store
        self._threads = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="store")

    async def list(self) -> Response:
        """Return all albums: the three of the code, then the added ones by id."""
        async with asyncio.timeout(self._settings.store_limit_s):
            infos = await self._in_thread(self._store.infos)
            added = await asyncio.gather(
                *(self._in_thread(self._store.listed, info) for info in infos)
            )
        albums = {**SEEDS} | {album.id: album for album in added if album and album.id not in SEEDS}
        return _answer(HTTPStatus.OK, [album.fields() for album in albums.values()])

    async def get(self, album_id: str) -> Response:
        """Return one album."""
        album = SEEDS.get(album_id)
        if album is None and is_id(album_id):
            async with asyncio.timeout(self._settings.store_limit_s):
                album = await self._in_thread(self._store.get, album_id)
        if album is None:
            raise Refused(HTTPStatus.NOT_FOUND, "album not found")
        return _answer(HTTPStatus.OK, album.fields())

    async def add(self, request: Request) -> Response:
        """Keep a new album.

        A client that got no answer may send the request again, with the same Idempotency-Key
        header, and gets the answer of the first one.
        """
        key = _request_id(request)
        _check_media_type(request)
        album = _parsed(await whole_body(request, self._settings))
        async with asyncio.timeout(self._settings.store_limit_s):
            added = album.id not in SEEDS and await self._in_thread(self._store.add, album, key)
        if not added:
            raise Refused(HTTPStatus.CONFLICT, f"there is an album with the id {album.id} already")
        return _answer(HTTPStatus.CREATED, album.fields(), {"Location": f"/albums/{album.id}"})

    async def _in_thread(self, call: Callable[..., Answer], *given: object) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *given)


def _request_id(request: Request) -> str:
    key = request.headers.get("idempotency-key")
    if key is None:
        return secrets.token_hex(16)
    if not _KEY.fullmatch(key):
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Idempotency-Key: 1 to 128 visible ASCII characters are allowed",
        )
    return key


def _check_media_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if kind != "application/json" or coding != "identity":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "send an album as it is, with the header Content-Type: application/json",
            Accept="application/json",
        )


def _parsed(body: bytes) -> Album:
    try:
        return Album.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part)[:100] for part in first["loc"]) or "the body"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}") from exc


async def _refusal(request: Request, exc: Exception) -> Response:
    """Return the answer to a request that raised."""
    if isinstance(exc, Refused):
        return _answer(exc.status, {"message": str(exc)}, exc.headers)
    if isinstance(exc, HTTPException):
        allowed = exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED
        headers = {"Allow": ", ".join(_methods(request))} if allowed else {}
        return _answer(HTTPStatus(exc.status_code), {"message": exc.detail.lower()}, headers)
    if isinstance(exc, StorageError | TimeoutError):
        log.warning("the store failed", path=request.url.path[:200], error=str(exc)[:500])
        message = {"message": f"the store does not answer; try again in {RETRY_AFTER_S} s"}
        retry = {"Retry-After": str(RETRY_AFTER_S)}
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, message, retry)
    if isinstance(exc, MapReduceError):  # of the body: too large, too slow
        close = {"Connection": "close"}
        return _answer(HTTPStatus(exc.http_status), {"message": str(exc)}, close)
    if isinstance(exc, ClientDisconnect):  # only counted
        return _answer(HTTPStatus.BAD_REQUEST, {"message": "the client has gone"})
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"message": "internal error"})


def _methods(request: Request) -> list[str]:
    """Return the methods that the request's path has."""
    return sorted(
        {
            method
            for route in request.app.routes
            if route.matches(request.scope)[0] is not Match.NONE
            for method in route.methods or ()
        }
    )


def _answer(status: HTTPStatus, value: object, headers: dict[str, str] | None = None) -> Response:
    return Response(in_json(value), status, headers, media_type="application/json")


def _of(*given: Any) -> dict[int | str, dict[str, Any]]:
    """Return the description of answers: of one status and its model, or of refusals."""
    if len(given) == 2 and not isinstance(given[1], int):
        return {given[0]: {"model": given[1]}}
    return {status: {"model": Message} for status in given}


_BODY = {"required": True, "content": {"application/json": {"schema": Album.model_json_schema()}}}
