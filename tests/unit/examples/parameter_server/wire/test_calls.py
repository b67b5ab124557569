"""Calls as bytes, and the errors of both sides."""

from __future__ import annotations

import grpc
import pytest

from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.calls import (
    METHODS,
    OldGeneration,
    TooLarge,
    code_of,
    error_of,
    parsed,
    signed,
)
from mapreduce.errors import (
    MapReduceError,
    ObjectMissing,
    OutputLost,
    StorageError,
    TaskLost,
    Unauthorized,
    UsageError,
)
from mapreduce.wire.tokens import opened

KEY = "k" * 32


class _Failed(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str = "") -> None:
        super().__init__()
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


def test_the_four_calls_of_the_source_are_there() -> None:
    """With Lease and Status, and each with a path of its own."""
    assert {"RegisterWorker", "PushGradients", "FetchParameters", "JobFinished"} <= METHODS.keys()
    assert {"Lease", "Status"} <= METHODS.keys()
    assert "/parameter_server.ParameterServer/Lease" == METHODS["Lease"].path


def test_a_request_belongs_to_one_method() -> None:
    """The client finds the method by the request's type."""
    kinds = [method.request for method in METHODS.values()]
    assert len(kinds) == len({kind.DESCRIPTOR.full_name for kind in kinds})


def test_a_token_is_for_one_method_and_body() -> None:
    """A token for a lease opens no other call, and no other body."""
    path = METHODS["Lease"].path
    ((name, value),) = signed(KEY, path, b"body", 100.0)
    token = value.removeprefix("Bearer ")
    assert "authorization" == name
    opened(KEY, path, token, 100.0).check_body(b"body")
    with pytest.raises(Unauthorized):
        opened(KEY, METHODS["Train"].path, token, 100.0)
    with pytest.raises(Unauthorized):
        opened(KEY, path, token, 100.0).check_body(b"another")


def test_bytes_that_are_no_message_are_refused() -> None:
    """They never reach a handler."""
    with pytest.raises(UsageError, match="LeaseRequest"):
        parsed(ps.LeaseRequest, b"\xff\xff")


@pytest.mark.parametrize(
    "error",
    [
        Unauthorized("x"),
        OldGeneration("x"),
        UsageError("x"),
        OutputLost("x"),
        StorageError("x"),
        TaskLost("x"),
    ],
)
def test_an_error_arrives_as_its_own_class(error: MapReduceError) -> None:
    """What a handler raises, its caller gets."""
    found = error_of(_Failed(code_of(error), "x"), "host:1", "Lease")
    assert type(error) is type(found)


def test_other_errors_become_ours() -> None:
    """A subclass arrives as its class; an unknown code allows another try."""
    assert grpc.StatusCode.ABORTED is code_of(ObjectMissing("x"))
    assert grpc.StatusCode.INTERNAL is code_of(ValueError("x"))
    for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED):
        assert isinstance(error_of(_Failed(code), "host:1", "Lease"), TaskLost)
    large = error_of(_Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "larger"), "host:1", "Lease")
    assert isinstance(large, TooLarge)


def test_a_certificate_of_another_key_is_no_silence() -> None:
    """It is said, and not waited for."""
    failed = _Failed(grpc.StatusCode.UNAVAILABLE, "ssl: CERTIFICATE_VERIFY_FAILED")
    with pytest.raises(Unauthorized, match="not of this signing key"):
        raise error_of(failed, "host:1", "Lease")
