"""From a request to its body: token, size and time, and the answer to each refusal.

Where tokens are asked for, they are checked first, from the headers alone: of a client without one,
no byte of a body is read.
"""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import ClassVar

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from mapreduce.errors import MapReduceError, TaskLost, Unauthorized, UsageError, kind_of
from mapreduce.wire.messages import TaskError
from mapreduce.wire.tokens import opened
from services.shell.http.connections import SIGNED
from services.shell.http.replays import ReplayGuard
from services.shell.settings import ServiceSettings, SignedSettings

BYTES_PER_SECOND = 16 << 10
"""Each of this many bytes of a body extends the sender's time by a second."""
MESSAGE_LIMIT = 500


class TooLarge(UsageError):
    """A request body over the limit."""

    http_status: ClassVar[int] = 413


class TooSlow(TaskLost):
    """A request body that did not arrive in time."""

    http_status: ClassVar[int] = 408


_HEADERS: dict[type, dict[str, str]] = {
    Unauthorized: {"WWW-Authenticate": "Bearer"},
    TooSlow: {"Connection": "close"},
}
"""Additional headers of an answer, by the class of the error."""


async def read_body(
    request: Request, path: str, settings: SignedSettings, seen: ReplayGuard
) -> bytes:
    """Return the body of a request with a valid and unused token.

    Args:
        request: the request.
        path: the path that it must be signed for.
        settings: the service's settings.
        seen: the tokens that were accepted before.

    Raises:
        Unauthorized: no token, or one that is invalid for this path, body or time, or was used
            before.
        TooLarge: the body is over the limit; the rest of it is not read.
        TooSlow: the body did not arrive in time.
        services.shell.http.replays.Crowded: too many requests a minute.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("unauthorized")
    now = time.time()
    claims = opened(settings.signing_key.get_secret_value(), path, token, now)
    if not seen.accept(claims.number, claims.expires, now):
        raise Unauthorized("unauthorized")
    # from here on the connection is not closed in favour of another
    request.scope["state"][SIGNED] = True
    body = await whole_body(request, settings)
    claims.check_body(body)
    return body


async def whole_body(request: Request, settings: ServiceSettings) -> bytes:
    """Return the body of a request, within the service's limits of size and time.

    Raises:
        TooLarge: the body is over the limit; the rest of it is not read.
        TooSlow: the body did not arrive in time.
    """
    limit = settings.max_body_mb << 20
    too_large = TooLarge(f"the request is larger than {settings.max_body_mb} MiB")
    # the server has already refused a header that is not a number
    if int(request.headers.get("content-length", "0")) > limit:
        raise too_large
    body = bytearray()
    first_end = asyncio.get_running_loop().time() + settings.patience_s
    try:
        async with asyncio.timeout_at(first_end) as timer:
            async for piece in request.stream():
                body += piece
                if len(body) > limit:
                    raise too_large
                # each part of the body that arrives extends the limit, so that slow lines pass and
                # stalls do not
                timer.reschedule(first_end + len(body) / BYTES_PER_SECOND)
    except TimeoutError:
        raise TooSlow(f"the request's body did not arrive in {settings.patience_s:g} s") from None
    return bytes(body)


def refusal(exc: MapReduceError | ValidationError) -> JSONResponse:
    """Return the answer to a request that cannot be run."""
    if isinstance(exc, ValidationError):
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:MESSAGE_LIMIT] or "the body"
        message = f"{where}: {first['msg']} ({exc.error_count()} errors in all)"
        return _answer(
            HTTPStatus.UNPROCESSABLE_ENTITY, TaskError(kind="UsageError", message=message)
        )
    error = TaskError(kind=kind_of(exc), message=str(exc)[:MESSAGE_LIMIT])
    headers = next((_HEADERS[cls] for cls in type(exc).__mro__ if cls in _HEADERS), None)
    return _answer(HTTPStatus(exc.http_status), error, headers)


def unavailable(message: str) -> JSONResponse:
    """Return the answer if no slot is free; the client should retry in a second."""
    return _answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        TaskError(kind="TaskLost", message=message),
        {"Retry-After": "1"},
    )


def _answer(
    status: HTTPStatus, error: BaseModel, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(error.model_dump(), status_code=status, headers=headers)
