"""Server 0 in one event loop, with workers that call it directly: no process, no network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.parameter_server.change import Change
from examples.parameter_server.checkpoint import Runs, fingerprint
from examples.parameter_server.compress import Payload
from examples.parameter_server.coordinator import Coordinator
from examples.parameter_server.core.shard import Cut, Shard
from examples.parameter_server.core.spec import RunSpec, RunStatus
from examples.parameter_server.core.workers import Workers
from examples.parameter_server.data import micro_batch_rows
from examples.parameter_server.holder import Holder
from examples.parameter_server.metrics import TrainingMetrics
from examples.parameter_server.models import model_named
from examples.parameter_server.progress import Progress
from examples.parameter_server.servers import Servers
from examples.parameter_server.training import Training
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.calls import OldGeneration
from examples.parameter_server.wire.tensors import fill, vector
from mapreduce.errors import TaskLost, UsageError
from mapreduce.storage import open_storage
from services.shell.serve import State

SPEC = RunSpec(model="softmax", clocks=6, micro_batches=3, batch_rows=8, checkpoint_every=2)
LIMIT_S = 30


@dataclass
class World:
    """Server 0, and its parts."""

    state: State
    runs: Runs
    holder: Holder
    training: Training
    coordinator: Coordinator

    async def status(self) -> RunStatus:
        """Return what the command line would see."""
        reply = await self.coordinator.status(ps.StatusRequest())
        return RunStatus.model_validate_json(reply.status)

    async def until(self, state: str) -> RunStatus:
        """Return the status when the run is in a state."""
        while (found := await self.status()).state != state:
            await asyncio.sleep(0)
        return found

    async def train(self, spec: RunSpec = SPEC, *, abandon: bool = False) -> str:
        """Begin a run."""
        await self.until_ready()
        request = ps.TrainRequest(spec=spec.model_dump_json(), abandon=abandon)
        return (await self.coordinator.train(request)).run

    async def until_ready(self) -> None:
        """Wait until the store was looked at."""
        while (await self.status()).state == "starting":
            await asyncio.sleep(0)

    async def register(self, worker: str = "a") -> ps.RegisterReply:
        """Register until there is a run."""
        while not (reply := await self.coordinator.register(_registering(worker))).spec:
            await asyncio.sleep(0)
        return reply

    async def work(self, until: Callable[[ps.LeaseReply], bool] = lambda _: False) -> None:
        """Compute micro-batches until the generation or the process is over."""
        registered = await self.register()
        generation = registered.generation
        spec = RunSpec.model_validate_json(registered.spec)
        model = model_named(spec.model)
        asked = ps.LeaseRequest(generation=generation, worker="a", wait_s=0.05)
        lease = ps.LeaseReply()
        while True:
            try:
                if not lease.HasField("micro_batch"):
                    lease = await self.coordinator.lease(asked)
                if until(lease):
                    return
                if not lease.HasField("micro_batch"):
                    continue
                clock, number = lease.micro_batch.clock, lease.micro_batch.number
                fetched = await self.holder.fetch(
                    ps.FetchRequest(generation=generation, version=clock)
                )
                rows = micro_batch_rows(
                    spec.seed, clock, number, spec.batch_rows, model.training_rows
                )
                with np.errstate(over="ignore"):
                    loss, gradient = model.gradient(vector(fetched.values), rows)
                push = ps.PushRequest(
                    generation=generation, worker="a", lease=lease.lease, version=clock, loss=loss
                )
                push.micro_batch.CopyFrom(lease.micro_batch)
                fill(push, Payload(len(gradient), gradient))
                lease = (await self.coordinator.push(push)).next
            except OldGeneration:
                return


def _is_of(clock: int) -> Callable[[ps.LeaseReply], bool]:
    return lambda lease: lease.micro_batch.clock == clock


def _registering(worker: str) -> ps.RegisterRequest:
    return ps.RegisterRequest(worker=worker)


def _world(folder: Path, expected: int = 0, others: Sequence[Any] = ()) -> World:
    state = State()
    runs = Runs(open_storage(), f"file://{folder}")
    holder, workers, changed = Holder(runs, state), Workers(), Change()
    progress = Progress(expected)
    training = Training(Servers(holder, others), runs, state, workers, progress, changed)
    coordinator = Coordinator(
        holder,
        training,
        workers,
        progress,
        changed,
        TrainingMetrics(),
        servers=1 + len(others),
        expected_workers=expected,
    )
    return World(state, runs, holder, training, coordinator)


def _run(world: World, body: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        work = asyncio.create_task(world.training.work())
        try:
            async with asyncio.timeout(LIMIT_S):
                await body()
        finally:
            work.cancel()

    asyncio.run(run())


def _plain(spec: RunSpec = SPEC) -> str:
    model = model_named(spec.model)
    theta = model.init(spec.seed)
    velocity = np.zeros_like(theta)
    for clock in range(spec.clocks):
        total = np.zeros_like(theta)
        for number in range(spec.micro_batches):
            rows = micro_batch_rows(spec.seed, clock, number, spec.batch_rows, model.training_rows)
            total = total + model.gradient(theta, rows)[1]
        velocity = spec.momentum * velocity + total / spec.micro_batches
        theta = theta - spec.learning_rate * velocity
    return fingerprint(theta)


def test_a_run_gives_the_plain_loops_bits(tmp_path: Path) -> None:
    """It is marked as done in the store, with the account and the figures of its model."""
    world = _world(tmp_path)

    async def body() -> None:
        run = await world.train()
        await world.work()
        status = await world.until("done")
        assert (_plain(), 6, 18) == (status.sha256, status.cut, status.counts.applied)
        outcome = world.runs.outcome(run)
        assert outcome is not None
        assert status.sha256 == outcome.sha256
        assert "accuracy" in outcome.evaluation
        assert world.training.may_end

    _run(world, body)


def test_a_lost_range_goes_back_to_the_last_cut(tmp_path: Path) -> None:
    """The next generation begins at the cut, and ends with the same bits."""
    world = _world(tmp_path)

    async def body() -> None:
        await world.train()
        await world.work(until=lambda lease: lease.micro_batch.clock == 5)
        while (await world.status()).cut < 4:
            await asyncio.sleep(0)
        world.holder._shard = None
        while (await world.status()).generation < 2:
            await asyncio.sleep(0)
        found = await world.status()
        assert (4, 4) == (found.cut, found.version)
        await world.work()
        assert _plain() == (await world.until("done")).sha256

    _run(world, body)


def test_a_range_that_was_set_back_ends_the_generation(tmp_path: Path) -> None:
    """A gradient reaches server 0 last: a range behind it is wrong, whatever its generation."""
    world = _world(tmp_path)

    async def body() -> None:
        await world.train()
        await world.work(until=lambda lease: lease.micro_batch.clock == 3)
        theta = model_named(SPEC.model).init(SPEC.seed)
        world.holder._shard = Shard(SPEC, Cut(0, theta, np.zeros_like(theta)))
        while (await world.status()).generation < 2:
            await asyncio.sleep(0)
        await world.work()
        assert _plain() == (await world.until("done")).sha256

    _run(world, body)


def test_each_cut_that_is_tried_is_a_generation(tmp_path: Path) -> None:
    """Some servers may have begun at the cut that is lost: their range is of no generation then."""
    world = _world(tmp_path)

    async def body() -> None:
        await world.train()
        for cut in (2, 4):
            await world.work(until=_is_of(cut + 1))
            while (await world.status()).cut < cut:
                await asyncio.sleep(0)
        (part,) = tmp_path.glob("training/*/cuts/00000004-*/part-000")
        part.write_bytes(b"")
        world.holder._shard = None
        while (await world.status()).generation < 2:
            await asyncio.sleep(0)
        found = await world.status()
        assert (3, 2) == (found.generation, found.cut)

    _run(world, body)


class LateServer:
    """Server 1, which answers but cannot restore at first."""

    tries = 0

    async def call(self, request: Any, reply: Any, timeout_s: float) -> Any:
        """Answer a call."""
        del timeout_s
        if isinstance(request, ps.RestoreRequest):
            self.tries += 1
            if self.tries == 1:
                raise TaskLost("not yet")
        return reply()


def test_each_try_is_a_generation(tmp_path: Path) -> None:
    """A server that restores late, for a try that has failed, must not do so within the next."""
    world = _world(tmp_path, others=(LateServer(),))

    async def body() -> None:
        await world.train(SPEC.model_copy(update={"servers": 2}))
        assert 2 == (await world.register()).generation.number

    _run(world, body)


def test_a_run_with_more_servers_than_there_are_can_be_given_up(tmp_path: Path) -> None:
    """It waits, says so, and names the way out; given up, it is a failed run."""
    spec = SPEC.model_copy(update={"servers": 2})
    world = _world(tmp_path)
    world.runs.create("run-1", spec)

    async def body() -> None:
        await world.until_ready()
        while not (problem := (await world.status()).problem):
            await asyncio.sleep(0)
        assert "has 2 servers, and there are 1" in problem
        with pytest.raises(UsageError, match="--abandon"):
            await world.train()
        await world.train(abandon=True)
        await world.work()
        assert _plain() == (await world.until("done")).sha256

    _run(world, body)
    outcome = world.runs.outcome("run-1")
    assert outcome is not None
    assert "given up" in outcome.problem


def test_a_run_in_training_can_be_given_up(tmp_path: Path) -> None:
    """Another begins in its place."""
    world = _world(tmp_path)

    async def body() -> None:
        first = await world.train(SPEC.model_copy(update={"clocks": 9}))
        await world.work(until=lambda lease: lease.micro_batch.clock == 3)
        assert first != await world.train(abandon=True)
        outcome = world.runs.outcome(first)
        assert outcome is not None
        assert "given up" in outcome.problem
        await world.work()
        assert _plain() == (await world.until("done")).sha256

    _run(world, body)


def test_a_server_0_that_was_replaced_leaves_the_run(tmp_path: Path) -> None:
    """It tells so, and writes no mark: the run is the other's."""
    world = _world(tmp_path)

    async def body() -> None:
        run = await world.train()
        await world.work(until=lambda lease: lease.micro_batch.clock == 1)
        Runs(open_storage(), f"file://{tmp_path}").claim_generation(run)
        await world.work()
        assert "another server 0 carries out" in (await world.until("failed")).problem
        assert world.runs.outcome(run) is None

    _run(world, body)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            RunSpec(model="waiting:0", clocks=3, micro_batches=1, learning_rate=1e150),
            "parameters are not finite after clock 3",
        ),
        (
            RunSpec(model="softmax", clocks=1, micro_batches=1, learning_rate=1e308),
            "figures of the held-out rows are not finite",
        ),
    ],
)
def test_a_model_that_diverges_in_its_last_clock_is_a_failed_run(
    spec: RunSpec, words: str, tmp_path: Path
) -> None:
    """Parameters and figures are finite, or there is no model."""
    world = _world(tmp_path)

    async def body() -> None:
        await world.train(spec)
        await world.work()
        assert words in (await world.until("failed")).problem
        assert world.runs.unfinished() is None
        await world.train()

    _run(world, body)


def test_a_refusal_in_other_words_is_malformed(tmp_path: Path) -> None:
    """A worker cannot say that its gradient is applied."""
    world = _world(tmp_path)

    async def body() -> None:
        await world.train()
        generation = (await world.register()).generation
        lease = await world.coordinator.lease(
            ps.LeaseRequest(generation=generation, worker="a", wait_s=0)
        )
        push = ps.PushRequest(
            generation=generation, worker="a", lease=lease.lease, refusal="applied"
        )
        push.micro_batch.CopyFrom(lease.micro_batch)
        assert "malformed" == (await world.coordinator.push(push)).verdict

    _run(world, body)


def test_another_process_goes_on(tmp_path: Path) -> None:
    """A run that was left is taken up by the next server 0."""
    first = _world(tmp_path)

    async def begin() -> None:
        await first.train()
        await first.work(until=lambda lease: lease.micro_batch.clock == 3)
        while (await first.status()).cut < 2:
            await asyncio.sleep(0)

    _run(first, begin)
    second = _world(tmp_path)

    async def go_on() -> None:
        await second.work()
        status = await second.until("done")
        assert (_plain(), 2) == (status.sha256, status.generation)

    _run(second, go_on)


def test_a_drain_ends_with_a_cut_of_all_that_began(tmp_path: Path) -> None:
    """No clock begins, those that have begun end, and then the process may end."""
    world = _world(tmp_path)

    async def body() -> None:
        await world.train()
        await world.work(until=lambda lease: lease.micro_batch.clock == 3)
        world.state.draining = True
        assert not world.training.may_end
        # the lease that the worker above was given is handed back
        generation = (await world.register()).generation
        returned = await world.coordinator.finished(
            ps.JobFinishedRequest(generation=generation, worker="a")
        )
        assert 1 == returned.returned
        for _ in range(50):  # the run notices that the process is about to end
            await asyncio.sleep(0)
        await world.work(until=lambda _: world.training.may_end)
        assert 4 == (await world.status()).cut

    _run(world, body)


def test_a_model_that_gives_no_numbers_is_a_failed_run(tmp_path: Path) -> None:
    """The run says which micro-batch it was, and the next run may begin."""
    world = _world(tmp_path)

    async def body() -> None:
        await world.train()
        generation = (await world.register()).generation
        lease = await world.coordinator.lease(
            ps.LeaseRequest(generation=generation, worker="a", wait_s=0)
        )
        while (await world.status()).state != "failed":
            refused = ps.PushRequest(
                generation=generation, worker="a", lease=lease.lease, refusal="not finite"
            )
            refused.micro_batch.CopyFrom(lease.micro_batch)
            with suppress(OldGeneration):
                lease = (await world.coordinator.push(refused)).next
            await asyncio.sleep(0)
        problem = (await world.status()).problem
        assert "of clock 0 was refused 4 times, the last from worker a: not finite" in problem
        await world.train()

    _run(world, body)


def test_leases_wait_for_the_expected_workers(tmp_path: Path) -> None:
    """Until then a worker is told how many are there."""
    world = _world(tmp_path, expected=2)

    async def body() -> None:
        await world.train()
        generation = (await world.register("a")).generation
        request = ps.LeaseRequest(generation=generation, worker="a", wait_s=0)
        reply = await world.coordinator.lease(request)
        assert "1 of 2 expected workers" == reply.reason
        await world.register("b")
        assert (await world.coordinator.lease(request)).HasField("micro_batch")

    _run(world, body)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{}x", "JSON"),
        ('{"clocks": 0}', "clocks: "),
        ('{"models": "mlp"}', "models: "),
        ('{"model": "resnet"}', "there is no model"),
        ('{"compression": "zip"}', "--compression"),
        ('{"servers": 2}', "give fewer --servers"),
    ],
)
def test_a_run_that_cannot_be_is_refused(spec: str, words: str, tmp_path: Path) -> None:
    """Before anything is written."""
    world = _world(tmp_path)

    async def body() -> None:
        await world.until_ready()
        with pytest.raises(UsageError, match=words):
            await world.coordinator.train(ps.TrainRequest(spec=spec))
        assert world.runs.unfinished() is None

    _run(world, body)


def test_calls_of_another_generation_are_refused(tmp_path: Path) -> None:
    """Of all the calls that carry one."""
    world = _world(tmp_path)
    other = ps.Generation(run="another", number=1)

    async def body() -> None:
        await world.train()
        await world.register()
        with pytest.raises(OldGeneration):
            await world.coordinator.lease(ps.LeaseRequest(generation=other))
        with pytest.raises(OldGeneration):
            await world.coordinator.push(ps.PushRequest(generation=other))
        with pytest.raises(OldGeneration):
            await world.holder.fetch(ps.FetchRequest(generation=other))
        with pytest.raises(OldGeneration):
            await world.holder.checkpoint(ps.CheckpointRequest(generation=other))
        done = await world.coordinator.finished(ps.JobFinishedRequest(generation=other))
        assert 0 == done.returned

    _run(world, body)
