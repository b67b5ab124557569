"""All three stages in one process over a local folder, without the driver."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapreduce.encoding import encode_key
from mapreduce.engine import Ledger, TaskContext, balance, run_task
from mapreduce.engine.block_index import entry_range, parse_index
from mapreduce.engine.fetch import write_list
from mapreduce.formats.json_values import jsonable, key_of_json
from mapreduce.formats.output import read_pairs
from mapreduce.input_formats import Format, Text
from mapreduce.job import Job
from mapreduce.storage import Storage, open_storage
from mapreduce.wire.messages import (
    Block,
    ByteRange,
    InputObject,
    JobSpec,
    MapResult,
    MapTask,
    ReduceResult,
    ReduceTask,
    Split,
    SplitMode,
    SplitResult,
    SplitRule,
    SplitTask,
)

RUN = "run-1"
TEXT = Text()


@dataclass(frozen=True, slots=True)
class Engine:
    """One job's stages, over one folder.

    Attributes:
        folder: the folder of the inputs, the store and the scratch files.
        job: the job's class.
        parameters: the job's parameters.
        memory_bytes: the memory of a task; little memory makes it spill.
    """

    folder: Path
    job: type[Job]
    parameters: dict[str, Any]
    memory_bytes: int
    storage: Storage

    @property
    def store(self) -> str:
        """The store's URL."""
        return f"file://{self.folder}/store"

    @property
    def spec(self) -> JobSpec:
        """The job's specification in messages."""
        return JobSpec(
            code="0" * 64, module="sample_jobs", name=self.job.__name__, parameters=self.parameters
        )

    def context(self) -> TaskContext:
        """Return the tools of one task."""
        return TaskContext(
            storage=self.storage,
            scratch=self.folder / "scratch",
            memory_bytes=self.memory_bytes,
            load_job=lambda spec: self.job(**spec.parameters),
        )

    def put(self, contents: Sequence[bytes], form: Format = TEXT) -> tuple[InputObject, ...]:
        """Write the inputs; return them with size and ETag as planning does."""
        found = [
            self.storage.write(f"file://{self.folder}/input/{number}.txt", content)
            for number, content in enumerate(contents)
        ]
        return tuple(
            InputObject(url=info.url, size=info.size, etag=info.etag, format=form) for info in found
        )

    def split(
        self, inputs: tuple[InputObject, ...], splits: int = 1, mode: SplitMode = "range"
    ) -> SplitResult:
        """Run the split stage."""
        cut = SplitRule(splits=splits)
        task = SplitTask(run=RUN, store=self.store, inputs=inputs, cut=cut, mode=mode)
        result = run_task(task, self.context())
        assert isinstance(result, SplitResult)
        return result

    def map(
        self, split: Split, partitions: int = 1, attempt: str = "0", skip_limit: int | None = None
    ) -> MapResult:
        """Run one map task."""
        task = MapTask(
            run=RUN,
            store=self.store,
            index=split.index,
            attempt=attempt,
            job=self.spec,
            split=split,
            partitions=partitions,
            skip_limit=skip_limit,
        )
        result = run_task(task, self.context())
        assert isinstance(result, MapResult)
        return result

    def map_whole(self, content: bytes, partitions: int = 1) -> MapResult:
        """Run the map stage over one input in one split."""
        (given,) = self.put([content])
        piece = ByteRange(
            url=given.url,
            etag=given.etag,
            size=given.size,
            start=0,
            end=given.size,
            source=given.url,
        )
        return self.map(Split(index=0, pieces=(piece,)), partitions)

    def reduce(
        self, maps: Sequence[MapResult], number: int = 0, partitions: int = 1, top: int = 10
    ) -> ReduceResult:
        """Run one reduce task."""
        task = ReduceTask(
            run=RUN,
            store=self.store,
            index=number,
            job=self.spec,
            outputs=write_list(maps, self.store, RUN, self.storage),
            partitions=partitions,
            top=top,
        )
        result = run_task(task, self.context())
        assert isinstance(result, ReduceResult)
        return result

    def pairs(self, reduced: ReduceResult) -> list[tuple[Any, Any]]:
        """Return the pairs of a part as JSON, in the order of writing."""
        return list(read_pairs(io.BytesIO(self.storage.read(reduced.url))))

    def whole_run(
        self,
        inputs: tuple[InputObject, ...],
        splits: int,
        partitions: int,
        mode: SplitMode = "range",
    ) -> Finished:
        """Run all three stages; return the results and the ledger."""
        planned = self.split(inputs, splits, mode)
        maps = [self.map(split, partitions) for split in planned.splits]
        reduces = [self.reduce(maps, number, partitions) for number in range(partitions)]
        etags = {given.url: self.storage.head(given.url).etag for given in inputs}
        parts = [self.pairs(reduced) for reduced in reduces]
        return Finished(
            parts,
            maps,
            reduces,
            balance(inputs, maps, reduces, etags, partitions, planned.unpacked),
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """A run: its parts' pairs, the results of its tasks, and its ledger."""

    parts: list[list[tuple[Any, Any]]]
    maps: list[MapResult]
    reduces: list[ReduceResult]
    ledger: Ledger

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return the pairs of all parts in key order."""
        return sorted((pair for part in self.parts for pair in part), key=json_order)


def blocks_of(result: MapResult, storage: Storage) -> list[Block]:
    """The blocks of a map's object, by its index."""
    assert result.blocks is not None
    start, _ = entry_range(result.size, result.blocks.partitions, 0)
    return parse_index(storage.read(result.url, start, result.size), result.url)


def json_order(pair: tuple[Any, Any]) -> bytes:
    """Return the sort key of a pair that was read from JSON."""
    return encode_key(key_of_json(pair[0]))


def as_json(pairs: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return pairs as they are after a conversion to JSON and back."""
    return [
        (json.loads(json.dumps(jsonable(key))), json.loads(json.dumps(jsonable(value))))
        for key, value in pairs
    ]


@contextmanager
def engine(
    job: type[Job], memory_bytes: int = 64 << 20, folder: Path | None = None, **parameters: Any
) -> Iterator[Engine]:
    """Return an engine over `folder`, or a temporary one, which each hypothesis example needs."""
    with tempfile.TemporaryDirectory() as fresh:
        yield Engine(folder or Path(fresh), job, parameters, memory_bytes, open_storage())
