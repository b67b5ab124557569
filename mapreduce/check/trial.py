"""One run of a job in this process, over a temporary folder: the engine's stages and the ledger."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from mapreduce.chain import Chain, StepResult, step_after, steps_of
from mapreduce.check.reference import PlainInput
from mapreduce.encoding import encode_key
from mapreduce.engine import TaskContext, balance, run_task
from mapreduce.engine.collect import by_hash, partitioner
from mapreduce.engine.fetch import write_list
from mapreduce.errors import JobLoadError, LedgerError
from mapreduce.formats.frames import BlockReader
from mapreduce.formats.json_values import plain_key
from mapreduce.formats.output import read_pairs
from mapreduce.formats.pairs import pairs_content, pairs_of_content
from mapreduce.input_formats import Pairs
from mapreduce.job import Job
from mapreduce.storage import open_storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire.messages import (
    ByteRange,
    InputObject,
    JobSpec,
    JoinedPart,
    MapResult,
    MapTask,
    ReduceResult,
    ReduceTask,
    Split,
    SplitResult,
    SplitRule,
    SplitTask,
    StoredObject,
)
from mapreduce.wire.tasks import TaskMessages

MEMORY_BYTES = 256 << 20
_RUN = "trial"
Result = TypeVar("Result", SplitResult, MapResult, ReduceResult)


@dataclass(frozen=True, slots=True)
class Trial:
    """How a job is run.

    Attributes:
        splits: the number of map tasks.
        partitions: the number of reduce tasks.
        memory_bytes: memory that a task may use; a small number makes it spill to disk.
        reversed_maps: the reduce tasks get the blocks of the map tasks in reverse order.
        broadcast: the name of the input that each map task holds, in place of a reduce stage.
    """

    splits: int = 2
    partitions: int = 2
    memory_bytes: int = MEMORY_BYTES
    reversed_maps: bool = False
    broadcast: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a run.

    Attributes:
        parts: the pairs of each part as JSON, in the order of the file.
        counters: the sums of all tasks' counters.
    """

    parts: list[list[tuple[Any, Any]]]
    counters: dict[str, int]

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        """The pairs of all parts, one part after another, with keys as a result shows them."""
        return [(plain_key(key), value) for key, value in self.stored]

    @property
    def stored(self) -> list[tuple[Any, Any]]:
        """The pairs of all parts, with keys as the parts hold them."""
        return [pair for part in self.parts for pair in part]

    def __getitem__(self, key: object) -> Any:
        """Return the value of a key that comes once."""
        (value,) = [value for found, value in self.pairs if found == key]
        return value


def run_trial(job: Job | Chain, inputs: Iterable[PlainInput], trial: Trial) -> Answer:
    """Run a job, or all steps of a chain, and check the ledger; a chain's answer is its last
    step's.

    Raises:
        JobLoadError: the class cannot run.
        UserCodeError: the job's code raised, or yielded an unsupported value.
        RecordError: a record does not have the input's format.
    """
    type(job).check()
    given = list(inputs)
    with tempfile.TemporaryDirectory(prefix="mapreduce-") as folder:
        if isinstance(job, Job):
            return _Run(job, Path(folder), trial).whole(given)
        return _chain(job, given, Path(folder), trial)


def _chain(chain: Chain, inputs: list[PlainInput], folder: Path, trial: Trial) -> Answer:
    steps = steps_of(chain)
    answer: Answer | None = None
    result: StepResult | None = None
    previous: list[PlainInput] = []
    parts: list[list[bytes]] = [[]]  # the pairs of each step, by its number from 1 on
    while step := step_after(steps, result):
        read = {"previous": previous, "given": inputs}
        run = _Run(step.job, folder / str(len(parts)), trial, keep_pairs=True)
        inputs_of = [each for source in step.sources for each in read[source]]
        answer = run.whole(inputs_of, parts[step.joined])
        parts.append(run.kept_parts)
        pairs = [pair for part in run.kept_parts for pair in pairs_of_content(part)]
        previous = [PlainInput("previous", pairs_content(pairs), "previous", Pairs())]
        result = StepResult(Counter(answer.counters), len(pairs), lambda pairs=pairs: iter(pairs))  # type: ignore[misc]
    if answer is None:
        raise JobLoadError(f"{type(chain).__name__} has no step; let `steps` yield a job")
    return answer


class _Run:
    """One run over a folder."""

    def __init__(self, job: Job, folder: Path, trial: Trial, *, keep_pairs: bool = False) -> None:
        self.kept_parts: list[bytes] = []
        self._job = job
        self._trial = trial
        self._partitions = 0 if job.map_only or trial.broadcast else trial.partitions
        self._inputs = f"file://{folder}/input"
        self._storage = open_storage()
        parameters = job.parameter_values()
        self._messages = TaskMessages(
            run=_RUN,
            store=f"file://{folder}/store",
            job=JobSpec(
                code="0" * 64, module="job", name=type(job).__name__, parameters=parameters
            ),
            partitions=self._partitions,
            total_order=job.total_order,
            keep_pairs=keep_pairs,
            broadcast=trial.broadcast,
        )
        self._context = TaskContext(
            storage=self._storage,
            scratch=folder / "scratch",
            memory_bytes=trial.memory_bytes,
            load_job=lambda spec: type(job)(**spec.parameters),
        )

    def whole(self, given: list[PlainInput], joined: Sequence[bytes] = ()) -> Answer:
        """Run all stages, and check the ledger.

        Args:
            given: the inputs; pairs that are to be joined are partitioned here.
            joined: the parts of an earlier step, if it has them.
        """
        to_join = [each for each in given if each.joined]
        given = [each for each in given if not each.joined]
        parts = joined or (self._partitioned(to_join[0]) if to_join else [])
        self._messages = replace(self._messages, joined=tuple(map(self._part, parts)))
        inputs = tuple(self._put(number, each) for number, each in enumerate(given))
        named = dict(zip((each.url for each in inputs), (each.url for each in given), strict=True))
        task = self._messages.split(inputs, SplitRule(splits=self._trial.splits))
        planned = _renamed(self._done(task, SplitResult), named)
        maps = [self._map(split, planned.boundaries) for split in planned.splits]
        order = maps[::-1] if self._trial.reversed_maps else maps
        outputs = write_list(order, self._messages.store, _RUN, self._storage)
        reduces = [self._reduce(outputs, number) for number in range(self._partitions)]
        # nothing changes during a trial, and one URL may have two names: no ETag is compared
        planned_as = [
            each.model_copy(update={"url": named[each.url], "etag": ""}) for each in inputs
        ]
        kept = [part.model_copy(update={"etag": ""}) for part in self._messages.joined]
        broadcast = self._trial.broadcast
        ledger = balance(
            planned_as, maps, reduces, {}, self._partitions, joined=kept, broadcast=broadcast
        )
        if not ledger.balanced:
            raise LedgerError(f"the ledger does not balance: {ledger.discrepancies[0]}")
        results: list[MapResult | ReduceResult] = [*maps, *reduces]
        counters: Counter[str] = Counter()
        for result in results:
            counters.update(result.counters)
            if result.pairs is not None:
                self.kept_parts.append(self._storage.read(result.pairs.url))
        return Answer(
            [self._pairs(result.url) for result in (reduces if self._partitions else maps)],
            dict(counters),
        )

    def _partitioned(self, given: PlainInput) -> list[bytes]:
        """Return pairs as the parts that a step with this job's partitions would have made."""
        partition = partitioner(self._job, self._partitions, None) or by_hash(self._partitions)
        parts: list[list[tuple[Any, Any]]] = [[] for _ in range(self._partitions)]
        for key, value in pairs_of_content(given.content):
            parts[partition(encode_key(key))].append((key, value))
        return [pairs_content(sorted(part, key=lambda pair: encode_key(pair[0]))) for part in parts]

    def _part(self, content: bytes) -> JoinedPart:
        """Write a part that the reduce tasks join."""
        digest = digest_of_bytes(content)
        info = self._storage.write(f"{self._inputs}/joined/{digest}", content)
        reader = BlockReader(io.BytesIO(content), len(content), info.url)
        for _ in reader.raw_frames():
            pass
        return JoinedPart(
            url=info.url,
            size=info.size,
            etag=info.etag,
            digest=digest,
            records=reader.records,
            checksum=reader.checksum,
        )

    def _put(self, number: int, given: PlainInput) -> InputObject:
        info = self._storage.write(f"{self._inputs}/{number}/{Path(given.url).name}", given.content)
        form = given.format or self._job.format_of(given.name)
        return InputObject(
            url=info.url, size=info.size, etag=info.etag, name=given.name, format=form
        )

    def _map(self, split: Split, boundaries: StoredObject | None) -> MapResult:
        return self._done(self._messages.map(split, boundaries), MapResult)

    def _reduce(self, outputs: StoredObject, number: int) -> ReduceResult:
        return self._done(self._messages.reduce(number, outputs), ReduceResult)

    def _done(self, task: SplitTask | MapTask | ReduceTask, kind: type[Result]) -> Result:
        result = run_task(task, self._context)
        assert isinstance(result, kind)
        return result

    def _pairs(self, url: str) -> list[tuple[Any, Any]]:
        return list(read_pairs(self._storage.read(url).split(b"\n")))


def _renamed(planned: SplitResult, names: Mapping[str, str]) -> SplitResult:
    """Return the plan with the caller's URLs as the sources of the records."""

    def piece(each: ByteRange) -> ByteRange:
        return each.model_copy(update={"source": names[each.source]})

    splits = (
        Split(
            index=split.index,
            pieces=tuple(map(piece, split.pieces)),
            beside=None if split.beside is None else tuple(map(piece, split.beside)),
        )
        for split in planned.splits
    )
    return planned.model_copy(update={"splits": tuple(splits)})
