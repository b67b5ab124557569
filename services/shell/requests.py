"""From a request to a task's message: size, token, schema, and what each refusal answers. Nothing is read twice."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from mapreduce.errors import MapReduceError, RefusedURL, Unauthorized, UsageError
from mapreduce.messages import TaskError
from mapreduce.tokens import verify
from services.shell.settings import Settings


class TooLarge(UsageError):
    """A request body over the limit."""


async def read_body(request: Request, settings: Settings) -> bytes:
    """The body of a request whose token is good for it.

    Raises:
        Unauthorized: no token, or one that is not good for this path, this body or this time.
        TooLarge: the body is over the limit; it is not read to its end.
    """
    limit = settings.max_body_mb << 20
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise TooLarge(f"the request is larger than {settings.max_body_mb} MiB")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("unauthorized")
    verify(settings.signing_key.get_secret_value(), request.url.path, bytes(body), token)
    return bytes(body)


def refusal(exc: MapReduceError | ValidationError) -> JSONResponse:
    """What a request is answered that cannot be carried out."""
    if isinstance(exc, ValidationError):
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        message = f"{where}: {first['msg']} ({exc.error_count()} errors in all)"
        return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, TaskError(kind="UsageError", message=message))
    error = TaskError(kind=type(exc).__name__, message=str(exc))
    if isinstance(exc, Unauthorized):
        return _answer(HTTPStatus.UNAUTHORIZED, error, {"WWW-Authenticate": "Bearer"})
    if isinstance(exc, TooLarge):
        return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error)
    return _answer(HTTPStatus.FORBIDDEN if isinstance(exc, RefusedURL) else HTTPStatus.UNPROCESSABLE_ENTITY, error)


def unavailable(message: str) -> JSONResponse:
    """What is answered when no slot is free; the caller should ask again in a second."""
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE, TaskError(kind="TaskLost", message=message), {"Retry-After": "1"})


def _answer(status: HTTPStatus, error: BaseModel, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(error.model_dump(), status_code=status, headers=headers)
