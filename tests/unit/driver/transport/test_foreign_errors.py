"""Every exception of httpx, at each moment of a request: a lost task or an unreached endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from driver.transport.base import NotReached
from driver.transport.endpoint import Endpoint
from driver.transport.http import HttpTransport
from mapreduce.errors import TaskLost
from mapreduce.wire.build import this_build
from mapreduce.wire.messages import AttemptId, Started
from tests.unit.driver.fakes import map_specs

ENDPOINT = Endpoint("mapper-0", "http://127.0.0.1", 1)
TASK = map_specs([1])[0].message("0")
STARTED = Started(attempt=AttemptId.of(TASK), worker=1, build=this_build()).model_dump_json()


def _below(cls: type[Exception]) -> Iterator[type[Exception]]:
    for each in cls.__subclasses__():
        yield each
        yield from _below(each)


_CLASSES: set[type[Exception]] = {httpx.HTTPError, *_below(httpx.HTTPError)}
FOREIGN = sorted(_CLASSES, key=lambda cls: cls.__name__)
APART = {"InvalidURL", "CookieConflict"}
"""The caller's wrong URL or cookie; the driver makes its URLs from addresses, and sets no cookie.
"""
STREAM = {"StreamError", "StreamConsumed", "StreamClosed", "ResponseNotRead", "RequestNotRead"}
"""A caller that reads an answer twice; the fake answers below have no such fault."""


def test_the_list_is_that_of_the_library() -> None:
    """The tests below try every public exception class of httpx, except the caller's mistakes."""
    public = {
        name
        for name, cls in vars(httpx).items()
        if isinstance(cls, type) and issubclass(cls, Exception)
    }
    tried = {cls.__name__ for cls in FOREIGN}
    assert public - tried == APART | STREAM
    assert len(tried) > 15


def _made(cls: type[Exception]) -> Exception:
    """Return an instance, with any arguments that its class needs."""
    made = cls.__new__(cls)
    made.args = ("it failed",)
    return made


class _Broken(httpx.AsyncBaseTransport):
    """Raises at the request, or during its answer."""

    def __init__(self, raised: Exception, lines: bytes | None) -> None:
        self._raised = raised
        self._lines = lines

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return an answer that raises before its end."""
        if self._lines is None:
            raise self._raised
        return httpx.Response(200, stream=_BrokenStream(self._lines, self._raised))


class _BrokenStream(httpx.AsyncByteStream):
    def __init__(self, lines: bytes, raised: Exception) -> None:
        self._lines = lines
        self._raised = raised

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._lines
        raise self._raised


def _asked(raised: Exception, lines: bytes | None, *, health: bool) -> None:
    async def ask() -> None:
        async with HttpTransport("k" * 32, 5.0) as transport:
            transport._clients[ENDPOINT.url] = httpx.AsyncClient(transport=_Broken(raised, lines))
            if health:
                await transport.health(ENDPOINT)
            async for _ in transport.run(ENDPOINT, TASK):
                pass

    asyncio.run(ask())


@pytest.mark.parametrize("cls", FOREIGN, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("lines", [None, b"", STARTED.encode() + b"\n"])
@pytest.mark.parametrize("health", [False, True])
def test_no_error_of_the_library_passes(
    cls: type[Exception], lines: bytes | None, *, health: bool
) -> None:
    """Each error before an answer, in its head or in its body becomes TaskLost."""
    raised = _made(cls)
    with pytest.raises(TaskLost, match="mapper-0") as caught:
        _asked(raised, lines, health=health)
    assert raised is caught.value.__cause__
    unreached: Any = not health and cls in (httpx.ConnectError, httpx.ConnectTimeout)
    assert unreached == isinstance(caught.value, NotReached)
