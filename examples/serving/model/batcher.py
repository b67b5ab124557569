"""The queue in front of a model: runs what waits as one batch, in one thread beside the event loop.

`batching` decides how large a batch is; this holds no policy.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from examples.serving.model.batching import SizePolicy, batch_length
from examples.serving.model.errors import Unready
from examples.serving.model.tensors import Array
from mapreduce.errors import InternalError, MapReduceError

Arrays = Mapping[str, Array]
Run = Callable[[Arrays], dict[str, Array]]
Result = dict[str, Array] | MapReduceError


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much may wait.

    Attributes:
        requests: their number.
        size_bytes: their tensors together, so that large requests cannot fill the memory.
    """

    requests: int = 256
    size_bytes: int = 64 << 20


class Observer(Protocol):
    """Learns of each batch."""

    def batch(self, requests: int, rows: int, took_s: float) -> None:
        """Count a batch that has run."""

    def cancelled(self) -> None:
        """Count a request whose caller left before it ran."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    inputs: Arrays
    kind: tuple[tuple[int, ...], ...]
    rows: int
    size_bytes: int
    result: asyncio.Future[dict[str, Array]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Batcher:
    """A bounded queue of requests for one model.

    Args:
        run: runs the model.
        has_rows: whether requests can share a run.
        policy: decides how large a batch is.
        limits: how much may wait.
        observer: learns of each batch.
    """

    def __init__(
        self,
        run: Run,
        *,
        has_rows: bool,
        policy: SizePolicy,
        limits: QueueLimits,
        observer: Observer,
    ) -> None:
        self._run = run
        self._has_rows = has_rows
        self._policy = policy
        self._limits = limits
        self._observer = observer
        self._queue: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "model")
        self.limit = policy.start

    @property
    def waiting(self) -> int:
        """The number of requests that wait, without those that run."""
        return len(self._queue)

    async def submit(self, inputs: Arrays) -> dict[str, Array]:
        """Return the model's answer; if the caller is cancelled before the request runs, it never
        does.

        Raises:
            Unready: the queue is full.
            BadRequest: the model fails on these values.
        """
        size = sum(array.nbytes for array in inputs.values())
        is_full = (
            len(self._queue) >= self._limits.requests
            or self._waiting_bytes + size > self._limits.size_bytes
        )
        if is_full and self._queue:  # an empty queue takes any request
            raise Unready("the queue is full")
        waiting = _Waiting(inputs, _kind(inputs), self._rows(inputs), size)
        self._queue.append(waiting)
        self._waiting_bytes += size
        self._arrived.set()
        try:
            return await waiting.result
        except asyncio.CancelledError:
            # leaves the queue at once, so that the place is free for another caller
            with suppress(ValueError):
                self._queue.remove(waiting)
                self._waiting_bytes -= size
                self._observer.cancelled()
            raise

    async def serve(self) -> None:
        """Run batches until this is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._arrived.wait()
                while batch := self._take():
                    done = loop.run_in_executor(self._thread, self._results, batch)
                    results, took_s = await done
                    self._finish(batch, results, took_s)
                self._arrived.clear()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> list[_Waiting]:
        if self._has_rows:
            length = batch_length(((each.kind, each.rows) for each in self._queue), self.limit)
        else:
            length = min(1, len(self._queue))
        batch = [self._queue.popleft() for _ in range(length)]
        self._waiting_bytes -= sum(each.size_bytes for each in batch)
        return batch

    def _results(self, batch: Sequence[_Waiting]) -> tuple[list[Result], float]:
        """Return the result of each request and the seconds of the batch; runs in the thread."""
        began = time.perf_counter()
        if len(batch) == 1:
            return [self._alone(batch[0])], time.perf_counter() - began
        try:
            results: list[Result] = list(self._together(batch))
        except Exception:  # noqa: BLE001 - one request of a batch must not fail the others
            results = [self._alone(each) for each in batch]
        return results, time.perf_counter() - began

    def _alone(self, waiting: _Waiting) -> Result:
        try:
            return self._run(waiting.inputs)
        except MapReduceError as exc:
            return exc
        except Exception as exc:  # noqa: BLE001 - a request must not end the server
            return InternalError(f"{type(exc).__name__}: {exc}")

    def _together(self, batch: Sequence[_Waiting]) -> list[dict[str, Array]]:
        joined = {
            name: np.concatenate([each.inputs[name] for each in batch]) for name in batch[0].inputs
        }
        total = sum(each.rows for each in batch)
        outputs = self._run(joined)
        if any(array.shape[0] != total for array in outputs.values()):
            raise InternalError("the model gave another number of rows than it was given")
        parts, start = [], 0
        for each in batch:
            end = start + each.rows
            parts.append({name: array[start:end] for name, array in outputs.items()})
            start = end
        return parts

    def _finish(self, batch: Sequence[_Waiting], results: list[Result], took_s: float) -> None:
        rows = sum(each.rows for each in batch)
        self.limit = self._policy.after(self.limit, rows, took_s)
        self._observer.batch(len(batch), rows, took_s)
        for each, result in zip(batch, results, strict=True):
            if each.result.done():  # its caller left while it ran
                continue
            if isinstance(result, MapReduceError):
                each.result.set_exception(result)
            else:
                each.result.set_result(result)

    def _rows(self, inputs: Arrays) -> int:
        return next(iter(inputs.values())).shape[0] if self._has_rows else 1


def _kind(inputs: Arrays) -> tuple[tuple[int, ...], ...]:
    return tuple(array.shape[1:] for array in inputs.values())
