"""The wire models: every message between the driver and the services. Frozen and strict.

A task goes out as one `SplitTask`, `MapTask` or `ReduceTask`. The answer is a stream of JSON lines,
each a `TaskEvent`: `started`, then `progress` every second, then `done` with the stage's result or
`failed` with a `TaskError`. Each event names its attempt.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from mapreduce.errors import KINDS, MapReduceError
from mapreduce.input_formats import Compression, Format, Text
from mapreduce.storage.requests import Requests
from mapreduce.wire.build import Build

FORMAT_VERSION = 3
"""Part of every task key. Raise it when the bytes that a task writes change, to stop their reuse.
"""
URL_LIMIT = 4200
"""Characters in a URL: `file://` and a path of PATH_MAX (4096). S3 URLs are far shorter."""
PIECES_LIMIT = 1_000_000
"""Inputs of a run, byte ranges of a split: the limit on splits."""

StageName = Literal["split", "map", "reduce"]
SplitMode = Literal["range", "copy"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RunId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
AttemptName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
Size = Annotated[int, Field(ge=0)]
Checksum = Annotated[int, Field(ge=0, lt=1 << 64)]
Url = Annotated[str, Field(max_length=URL_LIMIT)]
"""The limit bounds the time to resolve symbolic links, which grows with the length of the path."""
Label = Annotated[str, Field(max_length=URL_LIMIT)]
"""An ETag, a name, a header: no longer than a URL."""


def _known_kind(name: str) -> str:
    if name not in KINDS:
        raise ValueError(f"there is no error {name!r}")
    return name


ErrorKind = Annotated[str, AfterValidator(_known_kind)]
"""The name of a class in `mapreduce.errors`."""
PRINTED_LINES = 1_000
"""Lines of an attempt that are sent to the driver of what its job prints."""
PRINTED_LINE = 2_000
"""Characters of such a line."""
MOST_SKIPPED = 100_000
"""Records that a run may set aside; a task's result holds the place of each of its own."""


class Message(BaseModel):
    """Base of all wire models: frozen, and without unknown fields.

    A model is built when it is first used: a command uses few of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class InputObject(Message):
    """An input as it was when the run was planned.

    `size` is in bytes, `name` comes from `--input NAME=PATH`. `digest` (`mapreduce.storage.digest`)
    is set for an object that a task has written.
    """

    url: Url
    size: Size
    etag: Label
    name: Label = ""
    format: Format = Text()
    digest: Label = ""


class StoredObject(Message):
    """An object that a task or the driver has written for later tasks; `digest` is of its bytes."""

    url: Url
    size: Size
    etag: Label
    digest: Label


class JoinedPart(StoredObject):
    """The pairs of one part of an earlier step, in key order, which a reduce task merges.

    `checksum` sums their frames' xxh3_64, modulo 2**64.
    """

    records: Size
    checksum: Checksum


class ByteRange(Message):
    """A byte range [start, end) of one object.

    `source` and `source_offset` say where the bytes come from: for a chunk file, the input that it
    copies; else the object itself and 0. A record's offset is its position in the object plus
    `source_offset`. The split stage fills in `compression`; for CSV `header`, `quoted` (the range
    begins inside quotes), `escaped` (its byte before has no meaning) and `body` (the offset of the
    first row that is a record); for numbered lines `first`, the number of lines before the range.
    `digest` is that of a chunk file's bytes.
    """

    url: Url
    etag: Label
    size: Size
    start: Size
    end: Size
    source: Url
    source_offset: Size = 0
    name: Label = ""
    format: Format = Text()
    compression: Compression | None = None
    header: tuple[str, ...] | None = None
    quoted: bool = False
    escaped: bool = False
    body: Size = 0
    first: Size = 0
    digest: str = ""

    @property
    def length(self) -> int:
        """The number of bytes in the range."""
        return self.end - self.start


class Split(Message):
    """The input of one map task: one byte range, or several small objects together.

    `beside` is the input that is broadcast, whole, which each map task reads beside its own
    records; None where no input is.
    """

    index: Size
    pieces: Annotated[tuple[ByteRange, ...], Field(max_length=PIECES_LIMIT)]
    beside: Annotated[tuple[ByteRange, ...], Field(max_length=PIECES_LIMIT)] | None = None

    @property
    def counts_beside(self) -> bool:
        """Whether the records of `beside` count in this split's task: in one of the run."""
        return self.beside is not None and self.index == 0

    @property
    def length(self) -> int:
        """The number of bytes in all ranges."""
        return sum(piece.length for piece in self.pieces)


class JobSpec(Message):
    """A job: the digest of its packed code, its class, and its parameters as JSON values.

    `file` is the module's file in that code, if Python cannot import it by name (`my-job.py`,
    `json.py`). `packages` is the digest of the set of packages that the job requires, or "".
    """

    code: Digest
    packages: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    module: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")
    file: str = Field(default="", pattern=r"^([^/\\\x00]+\.py)?$")
    name: str = Field(pattern=r"^[A-Za-z_]\w*$")
    parameters: dict[str, Any] = {}


FaultKind = Literal["kill", "hang", "slow", "error", "corrupt"]


class Fault(Message):
    """A fault to inject into an attempt; a service obeys only if its settings allow injection.

    kill: the worker dies before, during or after its work; hang: it stops sending; slow: it first
    waits `seconds`; error: it fails; corrupt: one byte of its output is changed after the write.
    """

    kind: FaultKind
    when: Literal["before", "during", "after"] = "before"
    seconds: Annotated[float, Field(ge=0, le=60)] = 0.0


class TaskMessage(Message):
    """The fields of all three kinds of task. `attempt` is part of the names of its objects."""

    run: RunId
    attempt: AttemptName = "0"
    fault: Fault | None = None


class SplitRule(Message):
    """How inputs are cut into splits.

    Either into `splits` ranges of equal length, or each input by its own grid into ranges of at
    most `split_bytes`; inputs shorter than `pack_bytes` then share splits.
    """

    splits: Annotated[int, Field(ge=1, le=PIECES_LIMIT)] | None = None
    split_bytes: Annotated[int, Field(ge=1)] | None = None
    pack_bytes: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> SplitRule:
        if (self.splits is None) == (self.split_bytes is None):
            raise ValueError("either `splits` or `split_bytes` is needed")
        return self


class SplitTask(TaskMessage):
    """Plan byte ranges over the inputs; in copy mode, write them as chunk files too.

    With `key_ranges` the keys are split too: `job` maps a sample of the input, and the sampled keys
    yield that many key ranges. `broadcast` is the name of the inputs that each map task reads
    whole; "" for none.
    """

    stage: Literal["split"] = "split"
    store: Url
    inputs: Annotated[tuple[InputObject, ...], Field(max_length=PIECES_LIMIT)]
    cut: SplitRule
    mode: SplitMode = "range"
    key_ranges: Annotated[int, Field(ge=1, le=100_000)] | None = None
    job: JobSpec | None = None
    broadcast: Label = ""


class MapTask(TaskMessage):
    """Map one split, and write one object of `partitions` sorted blocks, or a part if that is 0.

    With `boundaries`, an object of keys in order, partition n holds the keys from boundary n - 1 up
    to boundary n; else the key's hash decides. `top` and `keep_pairs` are those of a `ReduceTask`,
    for a task that writes a part. With `skip_limit`, records are mapped one by one, and up to that
    many bad ones are set aside.
    """

    stage: Literal["map"] = "map"
    store: Url
    index: Size
    job: JobSpec
    split: Split
    partitions: Annotated[int, Field(ge=0, le=100_000)]
    boundaries: StoredObject | None = None
    top: Annotated[int, Field(ge=0, le=100_000)] = 10
    keep_pairs: bool = False
    skip_limit: Annotated[int, Field(ge=0, le=MOST_SKIPPED)] | None = None


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Block:
    """The bytes of one partition in a map attempt's object.

    `checksum` sums its frames' xxh3_64, modulo 2**64. `integers` says that all values are 64-bit
    integers.
    """

    offset: Size
    length: Size
    records: Size
    checksum: Checksum
    integers: bool


class BlocksSum(Message):
    """All blocks of a map attempt's object together, whose index is the object's last bytes.

    `digest` is of the index: the same for the same pairs, whichever attempt has written them.
    `seal` sums, modulo 2**64, a hash of each block's partition, count and checksum
    (`mapreduce.engine.block_index`).
    """

    partitions: Size
    digest: Label
    seal: Checksum


class ReduceTask(TaskMessage):
    """Merge one partition's blocks, reduce, and write one part.

    `outputs` is the list of the map outputs, in the order of their blocks, so that the message has
    one length whatever their number; None where another shuffle carries the pairs. With
    `keep_pairs`, also write the part's pairs as input for the next step of a chain. `states` is the
    identity under which merged states are kept for later runs; "" keeps and finds none. `joined` is
    the same partition of an earlier step, whose values come ahead of the others.
    """

    stage: Literal["reduce"] = "reduce"
    store: Url
    index: Size
    job: JobSpec
    outputs: StoredObject | None = None
    states: Label = ""
    partitions: Annotated[int, Field(ge=1, le=100_000)]
    top: Annotated[int, Field(ge=0, le=100_000)] = 10
    keep_pairs: bool = False
    joined: JoinedPart | None = None


class Cost(Message):
    """What an attempt used: seconds in the worker, peak resident memory, requests to the store.

    `imported` names the modules that the job's code has loaded into the process.
    """

    seconds: float
    peak_memory_bytes: Size
    requests: Requests = Requests()
    imported: tuple[str, ...] = ()


class SplitResult(Message):
    """The plan of the map stage.

    `unpacked` maps the URL of each compressed input that was copied to its unpacked length in
    bytes. `boundaries` holds the keys that separate the key ranges.
    """

    stage: Literal["split"] = "split"
    splits: tuple[Split, ...]
    unpacked: dict[str, Size] = {}
    boundaries: StoredObject | None = None
    bytes_read: Size
    bytes_written: Size
    cost: Cost


class RangeRead(Message):
    """The bytes [start, start + bytes_owned) of `source`: records that begin in a byte range."""

    source: str
    start: Size
    bytes_owned: Size


class SkippedRecord(Message):
    """A record that was set aside: its place, the record as JSON, and the error.

    `url` is the record's object, `key` the key that `map` gets. A long key or record is cut.
    """

    place: str
    url: str
    key: Any
    record: Any
    message: str = ""
    traceback: str = ""


class InvalidText(Message):
    """Bytes of text inputs that are not in the input's encoding: how many, in how many lines, and
    the first place.
    """

    size_bytes: Size
    lines: Size
    first: str


class MapResult(Message):
    """What a map attempt read and wrote.

    `records_out` counts the pairs after combining; `digest` is that of the object. Without a reduce
    stage there are no `blocks`, the object is a part of the result, and `top` and `pairs` are those
    of a `ReduceResult`. `beside` is what it read of the input that is broadcast.
    """

    stage: Literal["map"] = "map"
    url: str
    etag: str
    size: Size
    digest: str = ""
    pieces: tuple[RangeRead, ...]
    beside: tuple[RangeRead, ...] = ()
    records_in: Size
    records_out: Size
    blocks: BlocksSum | None = None
    top: tuple[tuple[Any, Any], ...] = ()
    top_lengths: tuple[Size | None, ...] = ()
    pairs: InputObject | None = None
    skipped: tuple[SkippedRecord, ...] = ()
    invalid: InvalidText | None = None
    counters: dict[str, int]
    cost: Cost


class ReduceResult(Message):
    """What a reduce attempt read and wrote; `digest` is that of the object.

    `records_in` and `checksum_in` are counted as the pairs are read; `records_indexed`,
    `checksum_indexed` and `seal` (as in `BlocksSum`) add up the indexes of the map outputs. `top`
    holds its top [key, value] pairs as JSON values, long ones cut; `top_lengths` holds the full
    length of each value that is not a number. `pairs` is the input for the next step of a chain,
    and `pairs_checksum` that of a `JoinedPart` of it. `joined_in` and `joined_checksum` are counted
    as the joined pairs are read, which are in no other count.
    """

    stage: Literal["reduce"] = "reduce"
    url: str
    etag: str
    size: Size
    digest: str = ""
    bytes_in: Size
    records_in: Size
    checksum_in: Checksum
    records_indexed: Size
    checksum_indexed: Checksum
    seal: Checksum
    records_out: Size
    top: tuple[tuple[Any, Any], ...]
    top_lengths: tuple[Size | None, ...] = ()
    pairs: InputObject | None = None
    pairs_checksum: Checksum = 0
    joined_in: Size = 0
    joined_checksum: Checksum = 0
    counters: dict[str, int]
    cost: Cost

    @property
    def as_joined(self) -> JoinedPart | None:
        """The part's pairs for a step that joins them; None if they were not kept."""
        if self.pairs is None:
            return None
        return JoinedPart(
            url=self.pairs.url,
            size=self.pairs.size,
            etag=self.pairs.etag,
            digest=self.pairs.digest,
            records=self.records_out,
            checksum=self.pairs_checksum,
        )


class TaskError(Message):
    """Why an attempt failed.

    `kind` is the name of a class in `mapreduce.errors`. `traceback` holds the frames of the user's
    code, `object` the URL of another task's output that could not be read as it was written. `url`
    and `offset` (bytes) are the start of the record, in an object of text.
    """

    kind: ErrorKind
    message: str
    traceback: str = ""
    place: str = ""
    record: str = ""
    object: str = ""
    url: str = ""
    offset: int | None = None

    @property
    def cause(self) -> type[MapReduceError]:
        """The class of the error."""
        return KINDS[self.kind]


class AttemptId(Message):
    """One attempt at one task, as each of its events names it.

    The process that runs the attempt draws a new `nonce` for each request, so that two streams
    never share one.
    """

    run: RunId
    stage: StageName
    index: Size
    attempt: AttemptName
    nonce: str = Field(default="", pattern=r"^[0-9a-f]{0,64}$")

    @classmethod
    def of(cls, task: SplitTask | MapTask | ReduceTask, nonce: str = "") -> AttemptId:
        """Return the id of the attempt that a message starts."""
        index = 0 if isinstance(task, SplitTask) else task.index
        return cls(run=task.run, stage=task.stage, index=index, attempt=task.attempt, nonce=nonce)

    @property
    def task(self) -> str:
        """The task's display name, e.g. `map-3`."""
        return f"{self.stage}-{self.index}"


class Started(Message):
    """A worker has taken the task.

    `build` is the service's, if there is a service. `fresh` is the reason why each task of the job
    needs a process that imports the job anew, or "".
    """

    event: Literal["started"] = "started"
    attempt: AttemptId
    worker: int
    build: Build | None = None
    fresh: str = ""


class Progress(Message):
    """The heartbeat: bytes and records so far, and the job's status text."""

    event: Literal["progress"] = "progress"
    attempt: AttemptId
    bytes: Size
    records: Size
    status: str = ""


PrintedLine = Annotated[str, Field(max_length=PRINTED_LINE)]


class Said(Message):
    """Lines that the job has printed since the last event; `left_out` bytes are beyond the limit.

    An attempt sends at most `PRINTED_LINES` lines in all.
    """

    event: Literal["said"] = "said"
    attempt: AttemptId
    lines: Annotated[tuple[PrintedLine, ...], Field(max_length=PRINTED_LINES)] = ()
    left_out: Size = 0


TaskResult: TypeAlias = Annotated[
    SplitResult | MapResult | ReduceResult, Field(discriminator="stage")
]
Task: TypeAlias = Annotated[SplitTask | MapTask | ReduceTask, Field(discriminator="stage")]


class Done(Message):
    """The attempt has succeeded; `build` is the service's, if there is a service."""

    event: Literal["done"] = "done"
    attempt: AttemptId
    result: TaskResult
    build: Build | None = None


class Failed(Message):
    """The attempt has failed."""

    event: Literal["failed"] = "failed"
    attempt: AttemptId
    error: TaskError


AnyEvent: TypeAlias = Started | Progress | Said | Done | Failed
TaskEvent: TypeAlias = Annotated[AnyEvent, Field(discriminator="event")]

_AT_FIRST_USE = ConfigDict(defer_build=True)
parse_task: TypeAdapter[SplitTask | MapTask | ReduceTask] = TypeAdapter(Task, config=_AT_FIRST_USE)
parse_event: TypeAdapter[AnyEvent] = TypeAdapter(TaskEvent, config=_AT_FIRST_USE)
parse_result: TypeAdapter[SplitResult | MapResult | ReduceResult] = TypeAdapter(
    TaskResult, config=_AT_FIRST_USE
)


class Health(BaseModel):
    """The answer of `GET /health`; a newer service may send more, one older than builds sends no
    `build`, one before 0.2.0 no `version` of the program.

    `image_tag` is that of the container's image; None outside of the images.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    ok: bool
    role: StageName
    slots: Size
    busy: Size
    draining: bool = False
    build: Build | None = None
    version: str = ""
    image_tag: str | None = None
