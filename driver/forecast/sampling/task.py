"""The process that runs a sample: `python -m driver.forecast.sampling.task`, its request on stdin.

It reads local copies only, and runs the job's code with the engine: map tasks over a quarter and
over the whole of each sample, and a reduce task over what they write. Its parent ends it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from driver.forecast.document import HeavyKey
from driver.forecast.sampling.messages import Measured, SampleAnswer, SampleRequest
from driver.text import shown_repr
from mapreduce.code import instance
from mapreduce.encoding import decode_key, encode_key
from mapreduce.engine import TaskContext
from mapreduce.engine.block_index import ENTRY_BYTES, parse_index
from mapreduce.engine.fetch import write_list
from mapreduce.engine.map_task import run_map
from mapreduce.engine.reduce_task import run_reduce
from mapreduce.engine.sample import key_boundaries, write_boundaries
from mapreduce.errors import MapReduceError, UserCodeError
from mapreduce.formats.readers import reader_of
from mapreduce.job import Job, task_state
from mapreduce.packages import use_packages
from mapreduce.storage import open_storage
from mapreduce.user_code.calls import text_of
from mapreduce.user_code.yielded import pair_of, pairs_of
from mapreduce.wire.messages import ByteRange, MapResult, Split, SplitRule, StoredObject
from mapreduce.wire.tasks import TaskMessages

ALONE_S = 30
"""Seconds after which the process ends, whatever becomes of the driver."""
KEYS_S = 0.25
"""Seconds for the count of the keys."""
CHECKED = 50
"""Pairs between two looks at the clock."""
KEYS_SHOWN = 5
SMALL_SHARE = 1 / 4
"""The first of the two sizes is a quarter of the sample."""
PROBE_SHARE = 1 / 64
"""The first task, which shows how much of the sample the time is enough for."""
LEAST_BYTES = 1 << 12


def measured(request: SampleRequest) -> SampleAnswer:
    """Run a sample; an error of the job's code is part of the answer."""
    began = time.perf_counter()
    try:
        return _Sample(request).answer(began)
    except UserCodeError as exc:
        where = f"{exc.place}\n" if exc.place else ""
        text = f"{exc.message}\n{where}{exc.traceback}".rstrip()
        return SampleAnswer(error=text, seconds=time.perf_counter() - began)
    except MapReduceError as exc:
        return SampleAnswer(error=str(exc), seconds=time.perf_counter() - began)
    except Exception as exc:  # noqa: BLE001 - a sample that fails is a plan with less in it
        text = f"{type(exc).__name__}: {text_of(exc)}"
        return SampleAnswer(error=text, seconds=time.perf_counter() - began)


class _Sample:
    """One sample."""

    def __init__(self, request: SampleRequest) -> None:
        self._request = request
        self._store = f"file://{request.folder}/store"
        self._storage = open_storage()
        self._load: Callable[[], Job] = lambda: instance(Path(request.root), request.job)
        self._context = TaskContext(
            storage=self._storage,
            scratch=Path(request.folder) / "scratch",
            memory_bytes=request.memory_bytes,
            load_job=lambda spec: instance(Path(request.root), spec),
        )
        self._messages = TaskMessages(
            run="sample",
            store=self._store,
            job=request.job,
            partitions=request.partitions,
            total_order=request.total_order,
        )
        self._index = 0

    def answer(self, began: float) -> SampleAnswer:
        """Run the tasks until the time is over; at least one of each kind."""
        boundaries = self._boundaries()
        samples = self._affordable(boundaries)
        maps: list[Measured] = []
        small: list[MapResult] = []
        large: list[MapResult] = []
        for sample in samples:
            for pieces, results in ((beginning(sample, SMALL_SHARE), small), (sample, large)):
                if pieces:
                    result = self._map(pieces, boundaries)
                    results.append(result)
                    maps.append(_of_map(result))
            if time.perf_counter() - began > self._request.budget_s / 2:
                break
        shares = self._shares(large)
        reduces = [
            self._reduce(results, shares) for results in (small, large) if results and shares
        ]
        job = self._load()
        return SampleAnswer(
            maps=tuple(maps),
            reduces=tuple(reduces),
            shares=tuple(shares),
            keys=tuple(self._heavy_keys(job)),
            gathers=job.gathers,
            seconds=time.perf_counter() - began,
        )

    def _affordable(self, boundaries: StoredObject | None) -> list[tuple[ByteRange, ...]]:
        """Return as much of the samples as the job maps in the time for them."""
        samples = self._request.samples
        probe = beginning(samples[0], PROBE_SHARE) or samples[0]
        self._map(probe, boundaries)  # imports and warms up
        seconds = self._map(probe, boundaries).cost.seconds
        share = seconds / sum(piece.length for piece in probe)
        most_s = self._request.budget_s / 2 / (1 + SMALL_SHARE) / len(samples)
        most = max(LEAST_BYTES, int(most_s / share)) if share > 0 else 1 << 62
        return [
            beginning(sample, most / length) or sample
            if (length := sum(piece.length for piece in sample)) > most
            else sample
            for sample in samples
        ]

    def _boundaries(self) -> StoredObject | None:
        ranges = self._messages.key_ranges
        if ranges is None:
            return None
        pieces = [piece for sample in self._request.samples for piece in sample]
        found = key_boundaries(self._request.job, pieces, ranges, self._context)
        return write_boundaries(self._messages.split((), SplitRule(splits=1)), found, self._storage)

    def _map(self, pieces: tuple[ByteRange, ...], boundaries: StoredObject | None) -> MapResult:
        self._index += 1
        split = Split(index=self._index, pieces=pieces)
        return run_map(self._messages.map(split, boundaries), self._context)

    def _shares(self, results: list[MapResult]) -> list[int]:
        count = self._request.partitions
        shares = [0] * count
        for result in results if count else []:
            start = result.size - count * ENTRY_BYTES
            index = self._storage.read(result.url, start, result.size)
            for number, block in enumerate(parse_index(index, result.url)):
                shares[number] += block.length
        return shares

    def _reduce(self, results: list[MapResult], shares: list[int]) -> Measured:
        """Reduce the heaviest partition."""
        outputs = write_list(results, self._store, "sample", self._storage)
        number = max(range(len(shares)), key=shares.__getitem__)
        self._index += 1
        task = self._messages.reduce(number, outputs, attempt=f"{self._index}")
        done = run_reduce(task, self._context)
        return Measured(
            size_bytes=done.bytes_in,
            seconds=done.cost.seconds,
            bytes_out=done.size,
            pairs_out=done.records_out,
            memory_bytes=done.cost.peak_memory_bytes,
        )

    def _heavy_keys(self, job: Job) -> Iterator[HeavyKey]:
        """Yield the keys with the most pairs, counted for a short time."""
        if (job.maps_batches or job.maps_columns) and type(job).map is Job.map:
            return
        counts: Counter[bytes] = Counter()
        number = count()
        until = time.perf_counter() + KEYS_S
        task_state(job).stage = "map"
        job.map_setup()
        for piece in (piece for sample in self._request.samples for piece in sample):
            for key in self._keys(job, piece):
                counts[key] += 1
                if not next(number) % CHECKED and time.perf_counter() > until:
                    break
            if time.perf_counter() > until:
                break
        total = counts.total()
        for key, pairs in counts.most_common(KEYS_SHOWN):
            yield HeavyKey(key=shown_repr(decode_key(key), 60), share=pairs / total)

    def _keys(self, job: Job, piece: ByteRange) -> Iterator[bytes]:
        state = task_state(job)
        state.source, state.input = piece.source, piece.name
        own = job.own_format(piece.name) if piece.format.kind == "own" else None
        reader = reader_of(piece.format, self._context.limits, own)
        stream = self._storage.stream
        for batch in reader.batches(piece, lambda start, end: stream(piece.url, start, end)):
            for offset, record in batch.records:
                for pair in pairs_of(job.map(offset, record), none_is_empty=job.gathers):
                    yield encode_key(pair_of(pair)[0])


def beginning(pieces: tuple[ByteRange, ...], share: float) -> tuple[ByteRange, ...]:
    """Return about a share of a sample; nothing where it cannot be divided."""
    if len(pieces) > 1:
        return pieces[: max(1, int(len(pieces) * share))]
    (piece,) = pieces
    length = int(piece.length * share)
    if not piece.format.by_lines or not 0 < length < piece.length:
        return ()
    return (piece.model_copy(update={"end": piece.start + length}),)


def _of_map(result: MapResult) -> Measured:
    return Measured(
        size_bytes=sum(piece.bytes_owned for piece in result.pieces),
        seconds=result.cost.seconds,
        bytes_out=result.size,
        pairs_out=result.records_out,
        memory_bytes=result.cost.peak_memory_bytes,
    )


def _serve() -> None:
    # the driver ends this process in time; if it is killed before, nothing else does
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(ALONE_S)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # the job's prints must not mix with the answer
        request = SampleRequest.model_validate_json(sys.stdin.buffer.read())
        use_packages(Path(request.packages) if request.packages else None)
        answers.write(measured(request).model_dump_json().encode())


if __name__ == "__main__":
    _serve()
