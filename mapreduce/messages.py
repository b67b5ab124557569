"""The wire models: all that the driver and the services say to each other. Frozen, and strict about what they hold.

A task goes out as one `SplitTask`, `MapTask` or `ReduceTask`; back comes a stream of JSON lines, each a `TaskEvent`:
`started`, then `progress` every second, then `done` with the stage's result or `failed` with a `TaskError`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

FORMAT_VERSION = 1
"""Part of every task key: raise it when what a task writes changes, and nothing old is reused."""

StageName = Literal["split", "map", "reduce"]
SplitMode = Literal["range", "copy"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RunId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
AttemptName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
Size = Annotated[int, Field(ge=0)]
Checksum = Annotated[int, Field(ge=0, lt=1 << 64)]


class Message(BaseModel):
    """What all wire models share: frozen, and no field that is not theirs."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InputObject(Message):
    """An input as it was when the run was planned. `size` in bytes."""

    url: str
    size: Size
    etag: str


class Piece(Message):
    """A byte range [start, end) of one object.

    `source` and `source_offset` say where the range's bytes come from: for a chunk file, the input it was copied
    from; else the object itself and 0. A record's offset is its position in the object plus `source_offset`.
    """

    url: str
    etag: str
    size: Size
    start: Size
    end: Size
    source: str
    source_offset: Size = 0

    @property
    def length(self) -> int:
        """Bytes in the range."""
        return self.end - self.start


class Split(Message):
    """The input of one map task: one range, or several small objects together."""

    index: Size
    pieces: tuple[Piece, ...]

    @property
    def length(self) -> int:
        """Bytes in all ranges."""
        return sum(piece.length for piece in self.pieces)


class JobSpec(Message):
    """Which job: the digest of its packed code, its class, and its parameters as JSON values."""

    code: Digest
    module: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")
    name: str = Field(pattern=r"^[A-Za-z_]\w*$")
    parameters: dict[str, Any] = {}


class TaskMessage(Message):
    """What the three kinds of task share. `attempt` names the attempt's own objects."""

    run: RunId
    attempt: AttemptName = "0"


class SplitTask(TaskMessage):
    """Plan byte ranges over the inputs; in copy mode, write them as chunk files too.

    `splits` is how many ranges are wanted; `split_bytes` how long one should be (one of the two is given).
    """

    stage: Literal["split"] = "split"
    store: str
    inputs: tuple[InputObject, ...]
    splits: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    split_bytes: Annotated[int, Field(ge=1)] | None = None
    mode: SplitMode = "range"


class MapTask(TaskMessage):
    """Map one split, and write one object of `partitions` sorted blocks."""

    stage: Literal["map"] = "map"
    store: str
    index: Size
    job: JobSpec
    split: Split
    partitions: Annotated[int, Field(ge=1, le=100_000)]


class Block(Message):
    """The bytes of one partition in a map attempt's object.

    `checksum` sums its frames' xxh3_64, modulo 2**64; `integers` says that all its values are 64-bit integers.
    """

    offset: Size
    length: Size
    records: Size
    checksum: Checksum
    integers: bool


class BlockSource(Message):
    """A block, and the object that holds it."""

    url: str
    etag: str
    map_index: Size
    block: Block


class ReduceTask(TaskMessage):
    """Merge one partition's blocks in the order given, reduce, and write one part."""

    stage: Literal["reduce"] = "reduce"
    store: str
    index: Size
    job: JobSpec
    sources: tuple[BlockSource, ...]
    partitions: Annotated[int, Field(ge=1, le=100_000)]
    top: Annotated[int, Field(ge=0, le=100_000)] = 10


class Cost(Message):
    """What an attempt used: `seconds` of wall time in the worker, and its peak resident memory in bytes."""

    seconds: float
    peak_memory_bytes: Size


class SplitResult(Message):
    """The plan of the map stage."""

    stage: Literal["split"] = "split"
    splits: tuple[Split, ...]
    bytes_read: Size
    bytes_written: Size
    cost: Cost


class PieceRead(Message):
    """The bytes [start, start + bytes_owned) of `source`: those of the records whose first byte lies in the piece."""

    source: str
    start: Size
    bytes_owned: Size


class MapResult(Message):
    """What a map attempt read and wrote. `records_out` counts pairs after combining."""

    stage: Literal["map"] = "map"
    url: str
    etag: str
    size: Size
    pieces: tuple[PieceRead, ...]
    records_in: Size
    records_out: Size
    blocks: tuple[Block, ...]
    counters: dict[str, int]
    cost: Cost


class ReduceResult(Message):
    """What a reduce attempt read and wrote. `top` holds its heaviest [key, value] pairs as JSON values."""

    stage: Literal["reduce"] = "reduce"
    url: str
    etag: str
    size: Size
    bytes_in: Size
    records_in: Size
    checksum_in: Checksum
    records_out: Size
    top: tuple[tuple[Any, Any], ...]
    counters: dict[str, int]
    cost: Cost


class TaskError(Message):
    """Why an attempt failed.

    `kind` is the class in `mapreduce.errors`; `traceback` holds the user's own frames.
    """

    kind: str
    message: str
    traceback: str = ""
    place: str = ""
    record: str = ""


class Started(Message):
    """A worker has taken the task."""

    event: Literal["started"] = "started"
    worker: int


class Progress(Message):
    """The heartbeat: bytes and records so far, and the job's own status text."""

    event: Literal["progress"] = "progress"
    bytes: Size
    records: Size
    status: str = ""


TaskResult: TypeAlias = Annotated[SplitResult | MapResult | ReduceResult, Field(discriminator="stage")]
Task: TypeAlias = Annotated[SplitTask | MapTask | ReduceTask, Field(discriminator="stage")]


class Done(Message):
    """The attempt has succeeded."""

    event: Literal["done"] = "done"
    result: TaskResult


class Failed(Message):
    """The attempt has failed."""

    event: Literal["failed"] = "failed"
    error: TaskError


TaskEvent: TypeAlias = Annotated[Started | Progress | Done | Failed, Field(discriminator="event")]

parse_task: TypeAdapter[SplitTask | MapTask | ReduceTask] = TypeAdapter(Task)
parse_event: TypeAdapter[Started | Progress | Done | Failed] = TypeAdapter(TaskEvent)
parse_result: TypeAdapter[SplitResult | MapResult | ReduceResult] = TypeAdapter(TaskResult)


class Health(BaseModel):
    """What `GET /health` answers; a newer service may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ok: bool
    role: StageName
    slots: Size
    busy: Size
    draining: bool = False
