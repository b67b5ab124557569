"""The server's side of the calls: token first, then the message, then the handler."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import grpc
import grpc.aio
import structlog
from google.protobuf.message import Message

from examples.parameter_server.wire.calls import (
    AUTHORIZATION,
    METHODS,
    ROLE,
    Method,
    code_of,
    options,
    parsed,
)
from mapreduce.errors import MapReduceError, Unauthorized
from mapreduce.wire.certificates import issue
from mapreduce.wire.tokens import opened
from services.shell.http.replays import Crowded, ReplayGuard

Handler = Callable[[Any], Awaitable[Message]]
TOKENS = 1_000_000
"""Calls a minute that a server can remember."""
log = structlog.get_logger()
T = TypeVar("T")


class Endpoint:
    """A gRPC server.

    Args:
        key: the signing key.
        handlers: one coroutine function for each call, by its name in ps.proto.
    """

    def __init__(self, key: str, handlers: Mapping[str, Handler]) -> None:
        self._key = key
        self._seen = ReplayGuard(TOKENS)
        self._handlers = handlers
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str) -> int:
        """Listen; return the port.

        Args:
            address: host:port; port 0 takes a free one.

        Raises:
            OSError: the address cannot be used.
        """
        own = issue(self._key, ROLE, "p256")  # gRPC's TLS library refuses Ed25519
        credentials = grpc.ssl_server_credentials([(own.private_key, own.certificate)])
        server = grpc.aio.server(options=options())
        server.add_generic_rpc_handlers((self._generic(),))
        try:
            port = server.add_secure_port(address, credentials)
        except RuntimeError as exc:
            raise OSError(f"{address}: {exc}") from exc
        await server.start()
        self._server = server
        return port

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, and give those in progress some time."""
        if self._server is not None:
            await self._server.stop(grace_s)

    def _generic(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            next(iter(METHODS.values())).path.split("/")[1],
            {
                name: grpc.unary_unary_rpc_method_handler(self._handler(METHODS[name], handler))
                for name, handler in self._handlers.items()
            },
        )

    def _handler(self, method: Method, handler: Handler) -> Any:
        async def handle(body: bytes, context: Any) -> bytes:
            try:
                self._check(method, body, dict(context.invocation_metadata() or ()))
                reply = await handler(parsed(method.request, body))
                return reply.SerializeToString()
            except Crowded:
                await context.abort(
                    grpc.StatusCode.UNAVAILABLE, f"more than {TOKENS} calls a minute"
                )
            except MapReduceError as exc:
                await context.abort(code_of(exc), str(exc))
            except Exception:
                log.exception("a call failed in a way that this program does not expect")
                await context.abort(grpc.StatusCode.INTERNAL, "see the server's log")
            raise AssertionError("abort raises")

        return handle

    def _check(self, method: Method, body: bytes, metadata: Mapping[str, Any]) -> None:
        scheme, _, token = str(metadata.get(AUTHORIZATION, "")).partition(" ")
        now = time.time()
        if scheme != "Bearer":
            raise Unauthorized("unauthorized")
        claims = opened(self._key, method.path, token, now)
        claims.check_body(body)
        if not self._seen.accept(claims.number, claims.expires, now):
            raise Unauthorized("unauthorized")
