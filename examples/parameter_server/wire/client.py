"""A server as its callers see it: calls that are signed, encrypted and limited in time.

The address is resolved anew after every failure: a server that was replaced has another.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from examples.parameter_server.wire.calls import (
    METHODS,
    ROLE,
    Method,
    error_of,
    options,
    parsed,
    signed,
)
from mapreduce.errors import TaskLost, Unauthorized
from mapreduce.wire.certificates import authority, host_name

__all__ = ["AsyncPeer", "Message", "Peer"]

R = TypeVar("R", bound=Message)
CONNECT_MS = 500
NO_CONNECTION = (TaskLost, Unauthorized)
"""After these errors the next call connects anew."""


class Peer:
    """A server, for one thread that waits.

    Args:
        address: host:port.
        key: the signing key.
    """

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        self._key = key
        self._channel: grpc.Channel | None = None

    def call(self, request: Message, reply: type[R], timeout_s: float) -> R:
        """Return the server's answer.

        Raises:
            mapreduce.errors.MapReduceError: no answer, or a refusal, as `error_of` says.
        """
        return self.answer(self.begin(request, timeout_s), request, reply)

    def begin(self, request: Message, timeout_s: float) -> Any:
        """Send a call; `answer` waits for its answer."""
        method, body = _method_of(request), request.SerializeToString()
        if self._channel is None:
            self._channel = grpc.secure_channel(
                self.address, _credentials(self._key), _channel_options()
            )
        metadata = signed(self._key, method.path, body, time.time())
        call: Any = self._channel.unary_unary(method.path)
        return call.future(body, timeout=timeout_s, metadata=metadata)

    def answer(self, pending: Any, request: Message, reply: type[R]) -> R:
        """Wait for the answer of a call; errors as of `call`."""
        try:
            body = cast(bytes, pending.result())
        except grpc.RpcError as exc:
            error = error_of(exc, self.address, _method_of(request).name)
            if isinstance(error, NO_CONNECTION):
                self.close()
            raise error from exc
        return cast(R, parsed(reply, body))

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class _Connection:
    """A channel, and how many calls are under way on it: a channel that closes cancels them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.calls = 0


class AsyncPeer:
    """A server, for an event loop; several calls may be under way.

    Args:
        address: host:port.
        key: the signing key.
    """

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        self._key = key
        self._connection: _Connection | None = None

    async def call(self, request: Message, reply: type[R], timeout_s: float) -> R:
        """Return the server's answer; errors as of `Peer.call`."""
        method, body = _method_of(request), request.SerializeToString()
        if self._connection is None:
            self._connection = _Connection(
                grpc.aio.secure_channel(self.address, _credentials(self._key), _channel_options())
            )
        connection = self._connection
        connection.calls += 1
        metadata = signed(self._key, method.path, body, time.time())
        try:
            call: Any = connection.channel.unary_unary(method.path)
            answer = await call(body, timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as exc:
            error = error_of(exc, self.address, method.name)
            if isinstance(error, NO_CONNECTION) and self._connection is connection:
                self._connection = None
            raise error from exc
        finally:
            connection.calls -= 1
            if not connection.calls and self._connection is not connection:
                await connection.channel.close()
        return cast(R, parsed(reply, cast(bytes, answer)))

    async def close(self) -> None:
        """Close the connection, with the calls under way; the next call opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.channel.close()


def _method_of(request: Message) -> Method:
    """Return the only method that takes such a request."""
    return next(each for each in METHODS.values() if isinstance(request, each.request))


def _credentials(key: str) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(authority(key))


def _channel_options() -> list[tuple[str, Any]]:
    return [
        *options(),
        ("grpc.ssl_target_name_override", host_name(ROLE)),
        # a new channel connects and resolves by itself, without the waits of an older one
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", CONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", CONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", 2 * CONNECT_MS),
        ("grpc.dns_min_time_between_resolutions_ms", CONNECT_MS),
        ("grpc.enable_http_proxy", 0),
    ]
