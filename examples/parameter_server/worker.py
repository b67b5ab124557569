"""A worker: leases a micro-batch, fetches the parameters, pushes the gradient, again and again.

It has no state that a run needs. When there is nothing to lease it waits, so that ECS does not
start another in its place; when a server does not answer it asks again, at the address anew.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from types import FrameType
from typing import NoReturn, TypeVar

import numpy as np
import structlog

from examples.parameter_server.compress import Compression, Payload, encode
from examples.parameter_server.core.clock import is_fresh
from examples.parameter_server.core.ledger import DUPLICATE, NOT_FINITE, STALE
from examples.parameter_server.core.ranges import ranges
from examples.parameter_server.core.shard import APPLIED
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.core.update import Vector
from examples.parameter_server.data import micro_batch_rows
from examples.parameter_server.models import Model, model_named
from examples.parameter_server.settings import Settings
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.calls import OldGeneration
from examples.parameter_server.wire.client import Message, Peer
from examples.parameter_server.wire.tensors import fill, vector
from mapreduce.errors import MapReduceError, TaskLost, UsageError
from services.shell.logs import configure_logs
from services.shell.serve import end_with
from services.shell.settings import settings_or_exit
from services.shell.supervisor import own_lifeline

CALL_S = 20.0
WAIT_S = 5.0
"""A lease is waited for so long in one call."""
IDLE_S = 0.3
"""Between two questions for a run when there is none."""
SHORT_PAUSE_S, LONG_PAUSE_S = 0.05, 2.0
SAY_EVERY_S = 10.0
log = structlog.get_logger()
Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
T = TypeVar("T")


class Leaving(BaseException):
    """The process was asked to end."""


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """All ranges of the parameters.

    Attributes:
        version: clocks that every range contains.
        updates: of each range, to ask for newer ones.
        ranges: the numbers.
    """

    version: int
    updates: tuple[int, ...]
    ranges: tuple[Vector, ...]

    @property
    def theta(self) -> Vector:
        """The whole vector."""
        return self.ranges[0] if len(self.ranges) == 1 else np.concatenate(self.ranges)


class Assignment:
    """What a worker holds of one generation of a run.

    Args:
        name: the worker's.
        peers: the run's servers, server 0 first.
        generation: as server 0 named it.
        spec: of the run.
    """

    def __init__(
        self, name: str, peers: Sequence[Peer], generation: ps.Generation, spec: RunSpec
    ) -> None:
        self._name = name
        self._peers = peers
        self.generation = generation
        self._spec = spec
        self._model: Model = model_named(spec.model)
        self._ranges = ranges(self._model.parameters, spec.servers)
        self._compression = Compression.parse(spec.compression)
        self._residual: Vector | None = None
        self._parameters: Parameters | None = None

    def work(self) -> NoReturn:
        """Compute micro-batches until a call fails.

        Raises:
            OldGeneration: the generation is over.
            MapReduceError: a server does not answer.
        """
        reply = self._lease()
        while True:
            reply = self._carry_out(reply) if reply.HasField("micro_batch") else self._lease()

    def hand_back(self) -> None:
        """Tell server 0 that this worker leaves."""
        request = ps.JobFinishedRequest(generation=self.generation, worker=self._name)
        self._peers[0].call(request, ps.JobFinishedReply, CALL_S)

    def _lease(self) -> ps.LeaseReply:
        request = ps.LeaseRequest(generation=self.generation, worker=self._name, wait_s=WAIT_S)
        return self._peers[0].call(request, ps.LeaseReply, CALL_S)

    def _carry_out(self, lease: ps.LeaseReply) -> ps.LeaseReply:
        """Compute and push one micro-batch; return the next lease, or that there is none."""
        clock, number = lease.micro_batch.clock, lease.micro_batch.number
        parameters = self._fetched(clock)
        if parameters is None:
            return self._commit(lease, ps.PushRequest(refusal=STALE))
        rows = micro_batch_rows(
            self._spec.seed, clock, number, self._spec.batch_rows, self._model.training_rows
        )
        loss, gradient = self._model.gradient(parameters.theta, rows)
        if not np.isfinite(gradient).all():
            return self._commit(lease, ps.PushRequest(refusal=NOT_FINITE))
        payload, residual = encode(gradient, self._compression, self._residual)
        first = ps.PushRequest(version=parameters.version, loss=loss)
        refusal = self._push_to_others(lease, parameters.version, payload)
        if refusal:
            first.refusal = refusal
        else:
            fill(first, payload.part(*self._ranges[0]))
        return self._commit(lease, first, residual)

    def _fetched(self, clock: int) -> Parameters | None:
        """Return parameters that are fresh enough for a clock; None if a range is too new or old.

        Without staleness the parameters of a clock are fetched once.
        """
        held = self._parameters
        exact = self._spec.staleness == 0
        if exact and held and held.version == clock:
            return held
        requests = [
            ps.FetchRequest(
                generation=self.generation,
                updates=held.updates[shard] if held else -1,
                version=clock if exact else None,
            )
            for shard in range(len(self._peers))
        ]
        replies = self._all(self._peers, requests, ps.FetchReply)
        if any(not is_fresh(clock, reply.version, self._spec.staleness) for reply in replies):
            return None
        found = tuple(
            vector(reply.values) if reply.HasField("values") or held is None else held.ranges[shard]
            for shard, reply in enumerate(replies)
        )
        self._parameters = Parameters(
            min(reply.version for reply in replies),
            tuple(reply.updates for reply in replies),
            found,
        )
        return self._parameters

    def _push_to_others(self, lease: ps.LeaseReply, version: int, payload: Payload) -> str:
        """Push to all servers but server 0; return why one refuses, or ""."""
        requests = []
        for start, end in self._ranges[1:]:
            request = ps.PushRequest(version=version)
            fill(request, payload.part(start, end))
            self._address(request, lease)
            requests.append(request)
        verdicts = [reply.verdict for reply in self._all(self._peers[1:], requests, ps.PushReply)]
        return next((each for each in verdicts if each not in (APPLIED, DUPLICATE)), "")

    def _commit(
        self, lease: ps.LeaseReply, request: ps.PushRequest, residual: Vector | None = None
    ) -> ps.LeaseReply:
        """Push to server 0, after all others: that ends the lease."""
        self._address(request, lease)
        reply = self._patiently(lambda: self._peers[0].call(request, ps.PushReply, CALL_S))
        if reply.verdict == APPLIED and residual is not None:
            self._residual = residual
        elif reply.verdict not in (APPLIED, DUPLICATE):
            log.warning(
                "a gradient is refused",
                reason=reply.verdict,
                clock=lease.micro_batch.clock,
                micro_batch=lease.micro_batch.number,
            )
        return reply.next

    def _address(self, request: ps.PushRequest, lease: ps.LeaseReply) -> None:
        request.generation.CopyFrom(self.generation)
        request.worker = self._name
        request.lease = lease.lease
        request.micro_batch.CopyFrom(lease.micro_batch)

    def _all(self, peers: Sequence[Peer], requests: Sequence[Q], reply: type[R]) -> list[R]:
        """Return the answers of several servers, called at once; see `_patiently`."""

        def call() -> list[R]:
            pending = [
                peer.begin(request, CALL_S) for peer, request in zip(peers, requests, strict=True)
            ]
            return [
                peer.answer(each, request, reply)
                for peer, each, request in zip(peers, pending, requests, strict=True)
            ]

        return self._patiently(call)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Make a call again while no server answers, for as long as a lease lasts.

        All calls may be repeated: a gradient counts once however often it is pushed.
        """
        end_s = time.monotonic() + self._spec.lease_s
        pause_s = SHORT_PAUSE_S
        while True:
            try:
                return call()
            except TaskLost:
                if time.monotonic() > end_s:
                    raise
            time.sleep(pause_s * (0.5 + random.random()))
            pause_s = min(2 * pause_s, LONG_PAUSE_S)


class Worker:
    """A process that works for the present run, one after the other.

    Args:
        name: unique among the workers.
        servers: the address of each.
        key: the signing key.
        assign: makes the work of a generation.
    """

    def __init__(
        self,
        name: str,
        servers: Sequence[str],
        key: str,
        assign: Callable[..., Assignment] = Assignment,
    ) -> None:
        self._name = name
        self._peers = [Peer(address, key) for address in servers]
        self._assign = assign
        self._assignment: Assignment | None = None

    def run(self) -> None:
        """Work until the process is asked to end."""
        pause_s, said_at_s = SHORT_PAUSE_S, 0.0
        while True:
            try:
                if self._registered():
                    pause_s = SHORT_PAUSE_S
                    assert self._assignment is not None
                    self._assignment.work()
                time.sleep(IDLE_S)
            except OldGeneration:
                time.sleep(SHORT_PAUSE_S)
            except MapReduceError as exc:
                if time.monotonic() - said_at_s > SAY_EVERY_S:
                    said_at_s = time.monotonic()
                    log.warning("waiting for the parameter server", error=str(exc))
                time.sleep(pause_s * (0.5 + random.random()))
                pause_s = min(2 * pause_s, LONG_PAUSE_S)

    def leave(self) -> None:
        """Hand leases back."""
        if self._assignment is not None:
            with suppress(MapReduceError):
                self._assignment.hand_back()

    def _registered(self) -> bool:
        """Ask for the run, and prepare for it; return whether there is one."""
        request = ps.RegisterRequest(worker=self._name)
        reply = self._peers[0].call(request, ps.RegisterReply, CALL_S)
        if not reply.spec:
            self._assignment = None
            return False
        held = self._assignment
        if held is not None and held.generation == reply.generation:
            return True  # it has what compression left out of its pushes
        spec = RunSpec.model_validate_json(reply.spec)
        peers = self._peers[: spec.servers]
        if len(peers) < spec.servers:
            raise UsageError(
                f"the run has {spec.servers} servers, and PARAMETER_SERVER_ADDRESS names "
                f"{len(peers)}; set all their addresses"
            )
        log.info("working", run=reply.generation.run, generation=reply.generation.number)
        self._assignment = self._assign(self._name, peers, reply.generation, spec)
        return True


def worker_name() -> str:
    """Return a name that no other worker has."""
    return f"{socket.gethostname()}-{os.getpid()}-{token_hex(3)}"


def main() -> None:
    """Run a worker with the environment's settings until it is asked to end."""
    settings = settings_or_exit(Settings)
    configure_logs(settings.log_level, "worker")
    end_with(own_lifeline())
    worker = Worker(worker_name(), settings.servers, settings.key)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    try:
        worker.run()
    except Leaving:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        worker.leave()
        log.info("left")


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Leaving
