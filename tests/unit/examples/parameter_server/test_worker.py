"""A worker's steps, over servers that are played: no process, no network, no wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import pytest

from examples.parameter_server import worker as module
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.core.update import Vector
from examples.parameter_server.data import Rows
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.calls import OldGeneration
from examples.parameter_server.wire.client import Peer
from examples.parameter_server.wire.tensors import packed, payload_of
from examples.parameter_server.worker import Assignment, Worker
from mapreduce.errors import TaskLost

GENERATION = ps.Generation(run="run", number=1)
SIZE = 5


class _Model:
    """A model whose gradient is its parameters, or what a test sets."""

    parameters = SIZE
    training_rows = 100

    def __init__(self) -> None:
        self.gradients: list[Vector] = []
        self.seen: list[Vector] = []

    def gradient(self, theta: Vector, rows: Rows) -> tuple[float, Vector]:
        """Return the next gradient."""
        del rows
        self.seen.append(theta)
        return 0.5, self.gradients.pop(0) if self.gradients else theta


class _Server:
    """One server: leases from a list, parameters by version, verdicts from a list."""

    def __init__(self, theta: Vector) -> None:
        self.theta = theta
        self.version: int | None = None
        self.leases: list[ps.LeaseReply] = []
        self.verdicts: list[str | Exception] = []
        self.pushes: list[ps.PushRequest] = []
        self.fetches = 0

    def call(self, request: Any, reply: Any, timeout_s: float) -> Any:
        """Answer at once."""
        return self.answer(self.begin(request, timeout_s), request, reply)

    def begin(self, request: Any, timeout_s: float) -> Any:
        """Take a request."""
        del timeout_s
        return request

    def answer(self, pending: Any, request: Any, reply: Any) -> Any:
        """Answer a request."""
        del pending, reply
        if isinstance(request, ps.LeaseRequest):
            if not self.leases:
                raise OldGeneration("the test is over")
            return self.leases.pop(0)
        if isinstance(request, ps.FetchRequest):
            self.fetches += 1
            version = request.version if self.version is None else self.version
            return ps.FetchReply(version=version, updates=7, values=packed(self.theta))
        self.pushes.append(request)
        verdict = self.verdicts.pop(0) if self.verdicts else "applied"
        if isinstance(verdict, Exception):
            raise verdict
        return ps.PushReply(verdict=verdict)


def _lease(number: int, clock: int, micro_batch: int = 0) -> ps.LeaseReply:
    return ps.LeaseReply(lease=number, micro_batch=ps.MicroBatch(clock=clock, number=micro_batch))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> _Model:
    """Return the model that every run trains."""
    found = _Model()
    monkeypatch.setattr(module, "model_named", lambda _: found)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return found


def _work(*servers: _Server, **changes: Any) -> None:
    spec = RunSpec(servers=len(servers), **changes)
    assignment = Assignment("w", cast(list[Peer], servers), GENERATION, spec)
    with pytest.raises(OldGeneration):
        assignment.work()


def _two() -> tuple[_Server, _Server]:
    return _Server(np.array([1.0, 2.0, 3.0])), _Server(np.array([4.0, 5.0]))


def test_each_server_gets_its_range(model: _Model) -> None:
    """Parameters come from all servers, and each gets its part of the gradient, with the lease."""
    first, second = _two()
    first.leases = [_lease(9, 4, 2)]
    _work(first, second)
    assert [1.0, 2.0, 3.0, 4.0, 5.0] == [*model.seen[0]]
    assert [4.0, 5.0] == [*payload_of(second.pushes[0]).values]
    (push,) = first.pushes
    assert [1.0, 2.0, 3.0] == [*payload_of(push).values]
    assert (9, 4, 2, 4, 0.5, "w") == (
        push.lease,
        push.micro_batch.clock,
        push.micro_batch.number,
        push.version,
        push.loss,
        push.worker,
    )


def test_server_0_is_last(model: _Model) -> None:
    """Its answer ends the lease, so all other ranges have the gradient before."""
    del model
    first, second = _two()
    order: list[str] = []
    for name, server in (("first", first), ("second", second)):
        _spy(server, partial(order.append, name))
    first.leases = [_lease(1, 0)]
    _work(first, second)
    assert ["second", "first"] == order


def _spy(server: _Server, tell: Callable[[], None]) -> None:
    answer = server.answer

    def spied(pending: Any, request: Any, reply: Any) -> Any:
        if isinstance(request, ps.PushRequest):
            tell()
        return answer(pending, request, reply)

    server.answer = spied  # type: ignore[method-assign]


def test_the_parameters_of_a_clock_are_fetched_once(model: _Model) -> None:
    """In BSP two micro-batches of a clock have the same parameters."""
    del model
    (server, _) = _two()
    server.theta = np.ones(SIZE)
    server.leases = [_lease(1, 0, 0), _lease(2, 0, 1), _lease(3, 1, 0)]
    _work(server)
    assert (3, 2) == (len(server.pushes), server.fetches)


def test_parameters_of_another_version_are_not_used(model: _Model) -> None:
    """The lease goes back as stale, and nothing is computed."""
    first, second = _two()
    second.version = 5
    first.leases = [_lease(1, 4)]
    _work(first, second)
    assert [] == model.seen
    assert "stale" == first.pushes[0].refusal
    assert [] == second.pushes


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_without_numbers_is_not_pushed(model: _Model, bad: float) -> None:
    """Server 0 hears of it, and no server gets a part."""
    first, second = _two()
    model.gradients = [np.array([1.0, 1.0, 1.0, 1.0, bad])]
    first.leases = [_lease(1, 0)]
    _work(first, second)
    assert "not finite" == first.pushes[0].refusal
    assert [] == second.pushes


def test_what_another_server_refuses_server_0_hears(model: _Model) -> None:
    """A duplicate there is none: that range has the gradient."""
    del model
    for verdict, expected in (("malformed", "malformed"), ("duplicate", "")):
        first, second = _two()
        second.verdicts = [verdict]
        first.leases = [_lease(1, 0)]
        _work(first, second)
        assert expected == first.pushes[0].refusal


def test_a_lost_answer_is_asked_for_again(model: _Model) -> None:
    """The push is repeated as it was."""
    del model
    (server, _) = _two()
    server.theta = np.ones(SIZE)
    server.verdicts = [TaskLost("no answer"), TaskLost("no answer"), "applied"]
    server.leases = [_lease(1, 0)]
    _work(server)
    assert 3 == len(server.pushes)
    assert 1 == len({push.SerializeToString() for push in server.pushes})


@pytest.mark.parametrize(("verdict", "second"), [("applied", 6.0), ("stale", 5.0)])
def test_what_a_push_left_out_comes_with_the_next(
    model: _Model, verdict: str, second: float
) -> None:
    """Top-k keeps the rest back if the push was added, and drops it if it was not."""
    (server, _) = _two()
    server.theta = np.ones(SIZE)
    model.gradients = [np.array([9.0, 1, 1, 1, 1]), np.array([0.0, 5, 0, 0, 0])]
    server.verdicts = [verdict]
    server.leases = [_lease(1, 0, 0), _lease(2, 0, 1)]
    _work(server, compression="topk:0.2")
    pushed = [payload_of(push) for push in server.pushes]
    assert [9.0, second] == [each.values[0] for each in pushed]


class _Registrar:
    """Server 0, which tells the run."""

    number = 1

    def call(self, request: Any, reply: Any, timeout_s: float) -> ps.RegisterReply:
        """Answer a registration."""
        del request, reply, timeout_s
        generation = ps.Generation(run="run", number=self.number)
        return ps.RegisterReply(generation=generation, spec=RunSpec().model_dump_json())


def test_a_worker_that_registers_again_keeps_what_it_left_out(model: _Model) -> None:
    """What compression left out belongs to the generation, not to the connection."""
    worker, registrar = Worker("w", ("host:1",), "k" * 32), _Registrar()
    worker._peers = [cast(Peer, registrar)]
    assert worker._registered()
    held = worker._assignment
    assert worker._registered()
    assert held is worker._assignment
    registrar.number = 2
    assert worker._registered()
    assert held is not worker._assignment
