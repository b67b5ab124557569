"""One server's calls over a real connection: who may call, and what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.calls import METHODS, OldGeneration, TooLarge, signed
from examples.parameter_server.wire.client import AsyncPeer
from examples.parameter_server.wire.endpoint import Endpoint
from mapreduce.errors import MapReduceError, TaskLost, Unauthorized, UsageError
from mapreduce.wire.certificates import authority, host_name

KEY = "k" * 32


async def _status(request: ps.StatusRequest) -> ps.StatusReply:
    del request
    return ps.StatusReply(status="hello")


def _with_server(handler: Any, body: Callable[[int], Awaitable[None]]) -> None:
    async def run() -> None:
        endpoint = Endpoint(KEY, {"Status": handler})
        port = await endpoint.start("127.0.0.1:0")
        try:
            await body(port)
        finally:
            await endpoint.stop(0)

    asyncio.run(run())


def test_a_call_with_the_key_is_answered() -> None:
    """Encrypted, by a certificate of the key."""

    async def body(port: int) -> None:
        peer = AsyncPeer(f"127.0.0.1:{port}", KEY)
        reply = await peer.call(ps.StatusRequest(), ps.StatusReply, 5)
        assert "hello" == reply.status
        await peer.close()

    _with_server(_status, body)


def test_another_key_is_refused_before_a_call() -> None:
    """The caller sees that the certificate is another key's, and sends nothing."""

    async def body(port: int) -> None:
        peer = AsyncPeer(f"127.0.0.1:{port}", "j" * 32)
        with pytest.raises(Unauthorized, match="not of this signing key"):
            await peer.call(ps.StatusRequest(), ps.StatusReply, 5)

    _with_server(_status, body)


@pytest.mark.parametrize("kind", ["none", "other key", "other body", "other method", "replayed"])
def test_a_call_needs_its_own_fresh_token(kind: str) -> None:
    """Without one, with one of another key, body or method, or with a used one: no answer."""

    async def body(port: int) -> None:
        credentials = grpc.ssl_channel_credentials(authority(KEY))
        options = [("grpc.ssl_target_name_override", host_name("parameter-server"))]
        path = METHODS["Status"].path
        import time

        metadata = {
            "none": (),
            "other key": signed("j" * 32, path, b"", time.time()),
            "other body": signed(KEY, path, b"x", time.time()),
            "other method": signed(KEY, METHODS["Lease"].path, b"", time.time()),
            "replayed": signed(KEY, path, b"", time.time()),
        }[kind]
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
            call: Any = channel.unary_unary(path)
            if kind == "replayed":
                await call(b"", metadata=metadata, timeout=5)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"", metadata=metadata, timeout=5)
            assert grpc.StatusCode.UNAUTHENTICATED is refused.value.code()

    _with_server(_status, body)


@pytest.mark.parametrize("error", [OldGeneration("over"), UsageError("wrong"), ValueError("ours")])
def test_a_handlers_error_is_its_callers(error: Exception) -> None:
    """Ours arrive as themselves; an unexpected one says nothing of itself."""

    async def fail(request: ps.StatusRequest) -> ps.StatusReply:
        raise error

    async def body(port: int) -> None:
        peer = AsyncPeer(f"127.0.0.1:{port}", KEY)
        expected = type(error) if isinstance(error, MapReduceError) else TaskLost
        with pytest.raises(expected) as told:
            await peer.call(ps.StatusRequest(), ps.StatusReply, 5)
        assert "ours" not in str(told.value)

    _with_server(fail, body)


def test_a_message_over_the_limit_is_refused() -> None:
    """The caller learns that it is too large, and is not told to try again."""

    async def body(port: int) -> None:
        peer = AsyncPeer(f"127.0.0.1:{port}", KEY)
        request = ps.TrainRequest(spec="x" * (65 << 20))
        with pytest.raises(TooLarge, match="larger than max"):
            await peer.call(request, ps.TrainReply, 20)

    _with_server(_status, body)


def test_no_server_is_a_lost_call() -> None:
    """It can be tried again, and names the address."""

    async def body() -> None:
        peer = AsyncPeer("127.0.0.1:9", KEY)
        with pytest.raises(TaskLost, match=r"Status: no answer from the server at 127\.0\.0\.1:9"):
            await peer.call(ps.StatusRequest(), ps.StatusReply, 5)

    asyncio.run(body())
