"""The queue in front of a model: what waits runs together, and a failure stays with its request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from examples.serving.model.batcher import Arrays, Batcher, QueueLimits
from examples.serving.model.batching import SizePolicy
from examples.serving.model.errors import BadRequest, Unready
from examples.serving.model.tensors import Array
from mapreduce.errors import InternalError


@dataclass
class Doubling:
    """A model that doubles x, refuses 13, and can be held up."""

    batches: list[list[float]] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)
    lost_rows: int = 0

    def __post_init__(self) -> None:
        self.free.set()

    def run(self, inputs: Arrays) -> dict[str, Array]:
        """Return 2 x."""
        assert self.free.wait(10)
        self.batches.append(inputs["x"][:, 0].tolist())
        if 13 in inputs["x"]:
            raise BadRequest("13")
        if 14 in inputs["x"]:
            raise ZeroDivisionError("14")
        rows = len(inputs["x"]) - (self.lost_rows if len(inputs["x"]) > 1 else 0)
        return {"y": inputs["x"][:rows] * 2}


@dataclass
class Counts:
    """What the queue reports."""

    batches: list[tuple[int, int]] = field(default_factory=list)
    gone: int = 0

    def batch(self, requests: int, rows: int, took_s: float) -> None:
        """Note a batch."""
        assert took_s >= 0
        self.batches.append((requests, rows))

    def cancelled(self) -> None:
        """Note a caller who left."""
        self.gone += 1


@asynccontextmanager
async def serving(model: Doubling, **changed: Any) -> AsyncIterator[tuple[Batcher, Counts]]:
    """A queue that serves."""
    counts = Counts()
    given: dict[str, Any] = {
        "has_rows": True,
        "policy": SizePolicy(latency_s=10),
        "limits": QueueLimits(),
        **changed,
    }
    batcher = Batcher(model.run, observer=counts, **given)
    task = asyncio.create_task(batcher.serve())
    try:
        yield batcher, counts
    finally:
        model.free.set()
        task.cancel()
        await asyncio.wait({task})


def _x(*values: float) -> dict[str, Array]:
    return {"x": np.array([[value] for value in values], np.float32)}


async def _asked(batcher: Batcher, *values: float) -> list[float]:
    return [float(each) for each in (await batcher.submit(_x(*values)))["y"][:, 0]]


async def _behind(
    model: Doubling, batcher: Batcher, *requests: Awaitable[Any]
) -> list[asyncio.Future[Any]]:
    """Hold the model with a first request, and queue the others behind it."""
    model.free.clear()
    first = asyncio.ensure_future(_asked(batcher, 0))
    await asyncio.sleep(0)  # it is in the queue
    while batcher.waiting:
        await asyncio.sleep(0)
    rest = [asyncio.ensure_future(each) for each in requests]
    await asyncio.sleep(0)
    return [first, *rest]


def test_a_single_request_does_not_wait() -> None:
    """With one caller each batch is one request."""

    async def main() -> None:
        model = Doubling()
        async with serving(model) as (batcher, counts):
            assert [2, 4] == await _asked(batcher, 1, 2)
            assert [6] == await _asked(batcher, 3)
            assert [(1, 2), (1, 1)] == counts.batches

    asyncio.run(main())


def test_what_waits_runs_together_and_each_gets_its_own_rows() -> None:
    """Requests that arrived while a batch ran are the next batch, in their order."""

    async def main() -> None:
        model = Doubling()
        async with serving(model) as (batcher, _):
            asked = (_asked(batcher, 1), _asked(batcher, 2, 3), _asked(batcher, 4))
            futures = await _behind(model, batcher, *asked)
            assert 3 == batcher.waiting
            model.free.set()
            assert [[0], [2], [4, 6], [8]] == await asyncio.gather(*futures)
            assert [[0], [1, 2, 3, 4]] == model.batches

    asyncio.run(main())


def test_a_batch_ends_at_the_limit() -> None:
    """More rows than the limit are two batches, and a full one raises the limit."""

    async def main() -> None:
        model = Doubling()
        policy = SizePolicy(latency_s=10, first=2, step=1)
        async with serving(model, policy=policy) as (batcher, _):
            futures = await _behind(model, batcher, *(_asked(batcher, n) for n in range(1, 6)))
            model.free.set()
            await asyncio.gather(*futures)
            assert [[0], [1, 2], [3, 4, 5]] == model.batches
            assert 4 == batcher.limit

    asyncio.run(main())


def test_one_bad_request_fails_alone() -> None:
    """If a batch fails, each of its requests runs alone: the error is its own."""

    async def main() -> None:
        model = Doubling()
        async with serving(model) as (batcher, _):
            asked = (_asked(batcher, 1), _asked(batcher, 13), _asked(batcher, 14))
            futures = await _behind(model, batcher, *asked)
            model.free.set()
            first, one, two, three = await asyncio.gather(*futures, return_exceptions=True)
            assert ([0], [2]) == (first, one)
            assert isinstance(two, BadRequest)
            assert isinstance(three, InternalError)
            assert [4] == await _asked(batcher, 2)

    asyncio.run(main())


def test_a_model_that_loses_rows_is_asked_one_by_one() -> None:
    """An answer with another number of rows is never given to a caller."""

    async def main() -> None:
        model = Doubling(lost_rows=1)
        async with serving(model) as (batcher, _):
            futures = await _behind(model, batcher, _asked(batcher, 1), _asked(batcher, 2))
            model.free.set()
            assert [[0], [2], [4]] == await asyncio.gather(*futures)

    asyncio.run(main())


def test_without_rows_requests_never_share_a_run() -> None:
    """A model whose first dimension counts no rows runs one request at a time."""

    async def main() -> None:
        model = Doubling()
        async with serving(model, has_rows=False) as (batcher, _):
            futures = await _behind(model, batcher, _asked(batcher, 1), _asked(batcher, 2))
            model.free.set()
            await asyncio.gather(*futures)
            assert [[0], [1], [2]] == model.batches

    asyncio.run(main())


def test_a_full_queue_refuses() -> None:
    """Beyond the limit of requests one is refused at once, and the others are answered."""

    async def main() -> None:
        model = Doubling()
        async with serving(model, limits=QueueLimits(requests=2)) as (batcher, _):
            futures = await _behind(model, batcher, _asked(batcher, 1), _asked(batcher, 2))
            with pytest.raises(Unready, match="the queue is full"):
                await _asked(batcher, 3)
            model.free.set()
            assert [[0], [2], [4]] == await asyncio.gather(*futures)

    asyncio.run(main())


def test_large_requests_fill_the_queue_sooner() -> None:
    """The tensors that wait are limited too, but an empty queue takes any request."""

    async def main() -> None:
        model = Doubling()
        async with serving(model, limits=QueueLimits(size_bytes=8)) as (batcher, _):
            futures = await _behind(model, batcher, _asked(batcher, 1, 2, 3))
            with pytest.raises(Unready):
                await _asked(batcher, 4)
            model.free.set()
            assert [[0], [2, 4, 6]] == await asyncio.gather(*futures)
            assert [8] == await _asked(batcher, 4)

    asyncio.run(main())


def test_a_caller_who_leaves_frees_the_place() -> None:
    """A cancelled request leaves the queue, never runs, and is counted."""

    async def main() -> None:
        model = Doubling()
        async with serving(model, limits=QueueLimits(requests=1)) as (batcher, counts):
            first, gone = await _behind(model, batcher, _asked(batcher, 1))
            gone.cancel()
            await asyncio.wait({gone})
            assert 0 == batcher.waiting
            assert 1 == counts.gone
            other = asyncio.ensure_future(_asked(batcher, 2))
            await asyncio.sleep(0)
            model.free.set()
            assert ([0], [4]) == (await first, await other)
            assert [[0], [2]] == model.batches

    asyncio.run(main())


def test_a_caller_who_leaves_frees_the_memory() -> None:
    """The tensors of a cancelled request no longer count towards the limit."""

    async def main() -> None:
        model = Doubling()
        async with serving(model, limits=QueueLimits(size_bytes=8)) as (batcher, _):
            first, gone = await _behind(model, batcher, _asked(batcher, 1))
            gone.cancel()
            await asyncio.wait({gone})
            others = [asyncio.ensure_future(_asked(batcher, number)) for number in (2, 3)]
            await asyncio.sleep(0)
            model.free.set()
            assert ([0], [4], [6]) == (await first, await others[0], await others[1])

    asyncio.run(main())


def test_a_caller_who_leaves_during_the_run_harms_no_other() -> None:
    """The batch of a caller who has left is finished for the others."""

    async def main() -> None:
        model = Doubling()
        async with serving(model) as (batcher, counts):
            (first,) = await _behind(model, batcher)
            first.cancel()
            await asyncio.wait({first})
            model.free.set()
            assert [2] == await _asked(batcher, 1)
            assert 0 == counts.gone

    asyncio.run(main())
