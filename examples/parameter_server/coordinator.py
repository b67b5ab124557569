"""Server 0's calls: workers register, lease and push; the command line trains and asks."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_hex

import structlog
from pydantic import ValidationError

from examples.parameter_server.change import Change
from examples.parameter_server.compress import Compression
from examples.parameter_server.core.generation import Generation, Push
from examples.parameter_server.core.ledger import DUPLICATE, MALFORMED, NOT_FINITE, STALE
from examples.parameter_server.core.shard import APPLIED
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.core.workers import Workers
from examples.parameter_server.holder import Holder
from examples.parameter_server.metrics import TrainingMetrics
from examples.parameter_server.models import model_named
from examples.parameter_server.progress import Progress
from examples.parameter_server.training import Training
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.calls import OldGeneration
from mapreduce.errors import UsageError

POLL_S = 0.1
"""A worker that waits for a lease looks at the time this often: leases expire and get slow."""
MOST_S = 5.0
REFUSALS = (STALE, NOT_FINITE, MALFORMED)
"""What a worker may say in place of a gradient."""
log = structlog.get_logger()


class Coordinator:
    """Server 0's calls.

    Args:
        holder: its own range.
        training: the runs.
        workers: those heard of.
        progress: what is told.
        changed: told of each gradient.
        metrics: what is counted.
        servers: how many there are.
        expected_workers: a run waits for so many before its first clock.
    """

    def __init__(
        self,
        holder: Holder,
        training: Training,
        workers: Workers,
        progress: Progress,
        changed: Change,
        metrics: TrainingMetrics,
        *,
        servers: int,
        expected_workers: int,
    ) -> None:
        self._holder = holder
        self._training = training
        self._workers = workers
        self._progress = progress
        self._changed = changed
        self._metrics = metrics
        self._servers = servers
        self._expected = expected_workers

    @property
    def worker_count(self) -> int:
        """The workers heard of lately."""
        return self._workers.count(time.monotonic())

    async def register(self, request: ps.RegisterRequest) -> ps.RegisterReply:
        """Count a worker in, and tell it the run."""
        ordinal = self._workers.hear(request.worker, time.monotonic())
        current = self._training.current
        if current is None:
            return ps.RegisterReply(ordinal=ordinal)
        self._changed.tell()  # others may wait for it
        return ps.RegisterReply(
            generation=ps.Generation(run=current.run, number=current.number),
            spec=current.spec.model_dump_json(),
            ordinal=ordinal,
        )

    async def lease(self, request: ps.LeaseRequest) -> ps.LeaseReply:
        """Lease a micro-batch, as soon as there is one."""
        began_s = time.monotonic()
        end_s = began_s + min(request.wait_s, MOST_S)
        while True:
            reply = self._granted(self._checked(request.generation), request.worker)
            now_s = time.monotonic()
            if reply.HasField("micro_batch") or now_s >= end_s:
                self._metrics.wait(now_s - began_s)
                return reply
            await self._changed.wait(min(POLL_S, end_s - now_s))

    async def push(self, request: ps.PushRequest) -> ps.PushReply:
        """Add a gradient to server 0's range, and end its lease.

        The worker has pushed to all other servers before.
        """
        current = self._checked(request.generation)
        task = (request.micro_batch.clock, request.micro_batch.number)
        push = Push(request.lease, request.worker, task, request.loss)
        verdict = current.earlier_verdict(push)
        if verdict is None:
            found = request.refusal or self._holder.push(request)
            if request.refusal not in ("", *REFUSALS):
                found = MALFORMED
            now_s = time.monotonic()
            verdict = current.end(push, found, now_s)
            self._tell(current, push, verdict, task[0] - request.version, now_s)
        return ps.PushReply(verdict=verdict, next=self._granted(current, request.worker))

    async def finished(self, request: ps.JobFinishedRequest) -> ps.JobFinishedReply:
        """Take the leases of a worker that leaves."""
        self._workers.leave(request.worker)
        with suppress(OldGeneration):
            returned = self._checked(request.generation).hand_back(request.worker)
            self._changed.tell()
            return ps.JobFinishedReply(returned=returned)
        return ps.JobFinishedReply()

    async def train(self, request: ps.TrainRequest) -> ps.TrainReply:
        """Accept a run."""
        try:
            spec = RunSpec.model_validate_json(request.spec)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from exc
        model_named(spec.model)
        Compression.parse(spec.compression)
        if spec.servers > self._servers:
            raise UsageError(
                f"the run wants {spec.servers} servers, and there are {self._servers}; give fewer "
                "--servers"
            )
        if request.abandon:
            await self._training.abandon()
        if self._progress.is_busy:
            raise UsageError(
                f"run {self._progress.run or 'of before'} is in progress; wait for its end, go on "
                "with it (the same options as then), or give it up: train --abandon"
            )
        run = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{token_hex(3)}"
        await self._training.submit(run, spec)
        return ps.TrainReply(run=run)

    async def status(self, request: ps.StatusRequest) -> ps.StatusReply:
        """Return the run's status."""
        del request
        found = self._progress.status(self.worker_count, self._training.current)
        return ps.StatusReply(status=found.model_dump_json())

    def _granted(self, current: Generation, worker: str) -> ps.LeaseReply:
        now_s = time.monotonic()
        self._workers.hear(worker, now_s)
        if self._progress.state == "waiting":
            count = self._workers.count(now_s)
            if count < self._expected:
                return ps.LeaseReply(reason=f"{count} of {self._expected} expected workers")
            self._progress.change("training")
        lease = current.grant(worker, now_s)
        if lease is None:
            return ps.LeaseReply(reason="all micro-batches that may begin are leased")
        return ps.LeaseReply(
            lease=lease.number,
            micro_batch=ps.MicroBatch(clock=lease.clock, number=lease.micro_batch),
        )

    def _checked(self, generation: ps.Generation) -> Generation:
        current = self._training.current
        if current is None or (generation.run, generation.number) != (current.run, current.number):
            raise OldGeneration(f"generation {generation.number} of {generation.run!r} is over")
        return current

    def _tell(
        self, current: Generation, push: Push, verdict: str, staleness: int, now_s: float
    ) -> None:
        self._metrics.push(verdict, staleness)
        if verdict not in (APPLIED, DUPLICATE):
            clock, micro_batch = push.task
            log.warning(
                "a gradient is refused",
                reason=verdict,
                clock=clock,
                micro_batch=micro_batch,
                worker=push.worker,
            )
        self._changed.tell()
        done = current.leases.is_done
        workers = self._workers.count(now_s)
        self._metrics.clock(current.version, current.loss, workers, last=done)
