"""Leases, gradients and the account together, and any interleaving of them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from examples.parameter_server.compress import Payload
from examples.parameter_server.core import ledger
from examples.parameter_server.core.generation import Generation, Push
from examples.parameter_server.core.leases import ATTEMPTS, Lease
from examples.parameter_server.core.ledger import check
from examples.parameter_server.core.ranges import ranges
from examples.parameter_server.core.shard import APPLIED, Cut, Shard
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.core.update import Vector
from mapreduce.errors import UsageError

SPEC = RunSpec(clocks=6, micro_batches=4, learning_rate=0.3, momentum=0.9, lease_s=5)
SIZE = 7


def _push(lease: Lease, loss: float = 1.0) -> Push:
    return Push(lease.number, lease.worker, lease.task, loss)


def _granted(generation: Generation, worker: str = "a", now_s: float = 0.0) -> Lease:
    lease = generation.grant(worker, now_s)
    assert lease is not None
    return lease


def test_a_push_that_is_sent_again_gets_the_same_verdict() -> None:
    """The answer to a push may be lost; its worker then asks again."""
    generation = Generation("run", 1, SPEC)
    push = _push(_granted(generation))
    assert generation.earlier_verdict(push) is None
    assert APPLIED == generation.end(push, APPLIED, 1.0)
    assert APPLIED == generation.earlier_verdict(push)
    assert 1 == generation.ledger.counts.applied


@pytest.mark.parametrize(
    "changes", [{"lease": 99}, {"worker": "another"}, {"task": (0, 3)}, {"task": (1, 0)}]
)
def test_a_push_without_its_lease_is_refused(changes: dict[str, object]) -> None:
    """Worker and micro-batch of a push are those of its lease."""
    generation = Generation("run", 1, SPEC)
    lease = _granted(generation)
    fields = {"lease": lease.number, "worker": lease.worker, "task": lease.task, "loss": 0.0}
    with pytest.raises(UsageError, match="has no lease"):
        generation.earlier_verdict(Push(**{**fields, **changes}))  # type: ignore[arg-type]


def test_refused_gradients_end_the_run() -> None:
    """The problem names micro-batch, clock and worker."""
    generation = Generation("run", 1, SPEC)
    for number in range(ATTEMPTS):
        assert "" == generation.problem
        generation.end(_push(_granted(generation, f"w{number}")), ledger.NOT_FINITE, 1.0)
    assert "micro-batch 0 of clock 0" in generation.problem
    assert f"worker w{ATTEMPTS - 1}: not finite" in generation.problem


def test_a_stale_gradient_does_not_end_the_run() -> None:
    """Stale parameters say nothing about the model, but of ranges that are not at one version."""
    generation = Generation("run", 1, SPEC)
    for _ in range(ATTEMPTS - 1):
        generation.end(_push(_granted(generation)), ledger.STALE, 1.0)
    assert not generation.is_lost
    generation.end(_push(_granted(generation)), ledger.STALE, 1.0)
    assert ("", True) == (generation.problem, generation.is_lost)
    assert {ledger.STALE: ATTEMPTS} == generation.ledger.counts.refused


def test_a_worker_that_asks_again_gets_its_lease_again() -> None:
    """The answer with the lease was lost; after its time, or when it is of no use, it is over."""
    generation = Generation("run", 1, SPEC)
    lease = _granted(generation)
    assert lease is generation.grant("a", 1.0)
    assert 1 == generation.ledger.counts.leased
    generation.leases.expire(5.0)
    other = _granted(generation, "b", 5.0)
    assert lease.task == other.task
    assert lease is not generation.grant("a", 5.0)


def test_the_loss_is_a_clocks_mean() -> None:
    """The loss is told when a clock is complete."""
    generation = Generation("run", 1, SPEC)
    leases = [_granted(generation, worker) for worker in "abcd"]
    for lease, loss in zip(leases, (1.0, 2.0, 3.0, 6.0), strict=True):
        assert generation.loss is None
        generation.end(_push(lease, loss), APPLIED, 1.0)
    assert 3.0 == generation.loss


def _gradient(theta: Vector, clock: int, micro_batch: int) -> Vector:
    """Return a gradient whose sum in another order has other bits."""
    source = np.random.RandomState([clock, micro_batch])
    return theta * 0.1 + source.standard_normal(SIZE) * 10.0 ** source.randint(-8, 8, SIZE)


def _plain() -> Vector:
    """Train in a plain loop."""
    theta, velocity = np.ones(SIZE), np.zeros(SIZE)
    for clock in range(SPEC.clocks):
        total = np.zeros(SIZE)
        for micro_batch in range(SPEC.micro_batches):
            total = total + _gradient(theta, clock, micro_batch)
        velocity = SPEC.momentum * velocity + total / SPEC.micro_batches
        theta = theta - SPEC.learning_rate * velocity
    return theta


class _World:
    """Workers that lease, compute, push in pieces, stall, die, leave and push again, by a seed."""

    def __init__(self, seed: int, spec: RunSpec, servers: int) -> None:
        self.random = random.Random(seed)
        self.spec = spec
        self.cuts = [
            Cut(0, np.ones(end - start), np.zeros(end - start))
            for start, end in ranges(SIZE, servers)
        ]
        self.now_s = 0.0
        self.number = 0
        self.restart()

    def restart(self) -> None:
        """Go back to the first parameters, or to the last cut that all ranges have."""
        self.number += 1
        self.shards = [Shard(self.spec, cut) for cut in self.cuts]
        self.generation = Generation("run", self.number, self.spec, self.cuts[0].version)
        self.held: list[tuple[Lease, int, Vector]] = []

    def cut(self) -> None:
        """Make a cut, if all ranges have one."""
        shared = set.intersection(*(set(shard.cuts) for shard in self.shards))
        if shared and max(shared) > self.cuts[0].version:
            self.cuts = [shard.cuts[max(shared)] for shard in self.shards]

    def step(self) -> None:
        """Let one event happen."""
        self.now_s += self.random.random()
        event = self.random.random()
        if event < 0.45:
            self.lease()
        elif event < 0.9:
            self.push()
        elif event < 0.95 and self.held:
            self.held.pop(self.random.randrange(len(self.held)))  # a worker dies
        elif event < 0.98:
            self.generation.hand_back(self.random.choice("abcd"))
        elif event < 0.99:
            self.cut()
        else:
            self.restart()
        self.generation.leases.expire(self.now_s)

    def lease(self) -> None:
        """Lease, fetch and compute."""
        lease = self.generation.grant(self.random.choice("abcd"), self.now_s)
        if lease is not None:
            if self.spec.staleness == 0:
                version = lease.clock
                ranges_ = [shard.at(version) for shard in self.shards]
            else:
                version = min(shard.version for shard in self.shards)
                ranges_ = [shard.theta for shard in self.shards]
            found = [each for each in ranges_ if each is not None]
            if len(found) < len(self.shards):
                self.commit(lease, ledger.STALE)
                return
            gradient = _gradient(np.concatenate(found), *lease.task)
            self.held.append((lease, version, gradient))

    def push(self) -> None:
        """Push to some servers, perhaps not to all, in the order that a worker keeps."""
        if not self.held:
            return
        lease, version, gradient = self.held[self.random.randrange(len(self.held))]
        places = ranges(SIZE, len(self.shards))
        for shard, (start, end) in [*zip(self.shards, places, strict=True)][1:]:
            if self.random.random() < 0.05:
                return  # it dies here, or tries again later
            verdict = shard.push(*lease.task, version, Payload(end - start, gradient[start:end]))
            if verdict not in (APPLIED, ledger.DUPLICATE):
                self.commit(lease, verdict)
                return
        start, end = places[0]
        own = Payload(end - start, gradient[start:end])
        self.commit(lease, self.shards[0].push(*lease.task, version, own))

    def commit(self, lease: Lease, verdict: str) -> None:
        """End the lease; now and then its worker sends the push again."""
        push = _push(lease)
        if self.generation.leases.find(lease.number) is not None:
            self.generation.end(push, verdict, self.now_s)
        if self.random.random() < 0.9:
            self.held = [each for each in self.held if each[0] is not lease]


@pytest.mark.parametrize("servers", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_any_interleaving_gives_the_plain_loops_bits(seed: int, servers: int) -> None:
    """In BSP the model has the same bits under all these events, and the account adds
    up.
    """
    world = _World(seed, SPEC.model_copy(update={"checkpoint_every": 2}), servers)
    steps = 0
    while not world.generation.leases.is_done:
        world.step()
        steps += 1
        assert steps < 100_000
    assert "" == world.generation.problem
    theta = np.concatenate([shard.theta for shard in world.shards])
    assert _plain().tobytes() == theta.tobytes()
    assert {24} == {shard.applied for shard in world.shards}


@pytest.mark.parametrize("servers", [2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_workers_that_die_between_pushes_cost_nothing_but_time(seed: int, servers: int) -> None:
    """A gradient that some ranges have and server 0 has not is computed again, from the same
    parameters, though those ranges have moved on.
    """
    world = _World(seed, SPEC, servers)
    for _ in range(3000):
        world.now_s += 0.5
        if world.random.random() < 0.5:
            world.lease()
        elif world.random.random() < 0.5 and world.held:
            lease, version, gradient = world.held.pop()
            for shard, (start, end) in [*zip(world.shards, ranges(SIZE, servers), strict=True)][1:]:
                shard.push(*lease.task, version, Payload(end - start, gradient[start:end]))
        else:
            world.push()
        world.generation.leases.expire(world.now_s)
    assert world.generation.leases.is_done
    theta = np.concatenate([shard.theta for shard in world.shards])
    assert _plain().tobytes() == theta.tobytes()


@pytest.mark.parametrize("staleness", [0, 2, None])
@pytest.mark.parametrize("seed", range(8))
def test_every_gradient_is_in_every_range_once(seed: int, staleness: int | None) -> None:
    """In each mode leased = applied + refused, and no gradient is lost or added twice."""
    world = _World(seed, SPEC.model_copy(update={"staleness": staleness}), 2)
    world.restart()
    for _ in range(100_000):
        if world.generation.leases.is_done:
            break
        world.now_s += 0.3
        if world.random.random() < 0.5:
            world.lease()
        else:
            world.push()
        world.generation.leases.expire(world.now_s)
    world.generation.ledger.close()
    check(world.generation.ledger.counts, 24)
    assert {24} == {shard.applied for shard in world.shards}
