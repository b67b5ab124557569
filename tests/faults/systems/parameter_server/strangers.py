"""Calls of a stranger: an encrypted connection to the right server, and a wrong token or none."""

from __future__ import annotations

import time
from typing import Any

import grpc

from examples.parameter_server.wire.calls import METHODS, ROLE, signed
from mapreduce.wire.certificates import authority, host_name

CALL_S = 10.0


def called(address: str, server_key: str, method: str, token_key: str) -> grpc.StatusCode:
    """Make an empty call; return the code of its answer.

    A busy machine may refuse a first connection: the call waits until one is there.

    Args:
        address: host:port of a server.
        server_key: the servers' key, by whose certificates the connection is made.
        method: name of the call.
        token_key: key of the token; empty for no token.
    """
    path = METHODS[method].path
    metadata = signed(token_key, path, b"", time.time()) if token_key else ()
    credentials = grpc.ssl_channel_credentials(authority(server_key))
    options = [("grpc.ssl_target_name_override", host_name(ROLE)), ("grpc.enable_http_proxy", 0)]
    with grpc.secure_channel(address, credentials, options) as channel:
        try:
            call: Any = channel.unary_unary(path)
            call(b"", metadata=metadata, timeout=CALL_S, wait_for_ready=True)
        except grpc.RpcError as exc:
            return exc.code()
    return grpc.StatusCode.OK
