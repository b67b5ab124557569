"""A call as bytes with a signature, and the errors of both sides.

A token is valid for one method and one body (mapreduce.wire.tokens), so the bytes that were signed
are the bytes that are parsed: handlers take bytes, and no generated stub is between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import grpc
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from examples.parameter_server.wire import ps_pb2 as ps
from mapreduce.errors import (
    MapReduceError,
    OutputLost,
    Retry,
    StorageError,
    TaskLost,
    Unauthorized,
    UsageError,
)
from mapreduce.wire.tokens import sign

ROLE: Final = "parameter-server"
"""The role in the certificate of every server."""
MESSAGE_MB: Final = 64
"""The largest message: a range of 8 million numbers in float64."""
AUTHORIZATION: Final = "authorization"
_SERVICE = ps.DESCRIPTOR.services_by_name["ParameterServer"]


class OldGeneration(MapReduceError):
    """The call belongs to another run or generation than the server's; register again."""

    retry: ClassVar[Retry] = Retry.YES


class TooLarge(UsageError):
    """A message over the limit."""


@dataclass(frozen=True, slots=True)
class Method:
    """One call of the protocol."""

    name: str
    path: str
    request: type[Message]
    reply: type[Message]


METHODS: Final[Mapping[str, Method]] = {
    each.name: Method(
        each.name,
        f"/{_SERVICE.full_name}/{each.name}",
        GetMessageClass(each.input_type),
        GetMessageClass(each.output_type),
    )
    for each in _SERVICE.methods
}
_CODES: Final[tuple[tuple[type[Exception], grpc.StatusCode], ...]] = (
    (Unauthorized, grpc.StatusCode.UNAUTHENTICATED),
    (OldGeneration, grpc.StatusCode.FAILED_PRECONDITION),
    (UsageError, grpc.StatusCode.INVALID_ARGUMENT),
    (TaskLost, grpc.StatusCode.UNAVAILABLE),
    (OutputLost, grpc.StatusCode.DATA_LOSS),
    (StorageError, grpc.StatusCode.ABORTED),
)
_KINDS: Final[Mapping[grpc.StatusCode, type[MapReduceError]]] = {
    **{code: kind for kind, code in _CODES if issubclass(kind, MapReduceError)},
    grpc.StatusCode.RESOURCE_EXHAUSTED: TooLarge,
}
_OTHER_KEY = "CERTIFICATE_VERIFY_FAILED"
"""In gRPC's words of a failed handshake."""


def options() -> list[tuple[str, Any]]:
    """Return the limits of servers and channels."""
    size = MESSAGE_MB << 20
    return [("grpc.max_send_message_length", size), ("grpc.max_receive_message_length", size)]


def signed(key: str, path: str, body: bytes, now: float) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call."""
    return ((AUTHORIZATION, f"Bearer {sign(key, path, body, now)}"),)


def parsed(kind: type[Message], body: bytes) -> Message:
    """Return a message.

    Raises:
        UsageError: the bytes are none.
    """
    try:
        return kind.FromString(body)
    except DecodeError as exc:
        raise UsageError(f"the body is no {kind.DESCRIPTOR.name}") from exc


def code_of(exc: Exception) -> grpc.StatusCode:
    """Return the status code of an answer that is an error."""
    return next((code for kind, code in _CODES if isinstance(exc, kind)), grpc.StatusCode.INTERNAL)


def error_of(exc: grpc.RpcError, address: str, method: str) -> MapReduceError:
    """Return our error for a failed call.

    Args:
        exc: gRPC's.
        address: the server that was called.
        method: the call.
    """
    code, details = getattr(exc, "code", lambda: None)(), str(getattr(exc, "details", str)())
    if _OTHER_KEY in details:
        return Unauthorized(
            f"the server at {address} has a certificate that is not of this signing key; was the "
            "key changed? deploy again"
        )
    kind = _KINDS.get(code, TaskLost) if code else TaskLost
    if kind is TaskLost:
        return TaskLost(f"{method}: no answer from the server at {address}: {details}")
    if kind is Unauthorized:
        return Unauthorized(f"the server at {address} refused the signature of {method}")
    return kind(details)
