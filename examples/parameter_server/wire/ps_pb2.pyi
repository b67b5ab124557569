from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Generation(_message.Message):
    __slots__ = ("run", "number")
    RUN_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    run: str
    number: int
    def __init__(self, run: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ("dtype", "shape", "data")
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class MicroBatch(_message.Message):
    __slots__ = ("clock", "number")
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    clock: int
    number: int
    def __init__(self, clock: _Optional[int] = ..., number: _Optional[int] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: str
    def __init__(self, worker: _Optional[str] = ...) -> None: ...

class RegisterReply(_message.Message):
    __slots__ = ("generation", "spec", "ordinal")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    ORDINAL_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    spec: str
    ordinal: int
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., spec: _Optional[str] = ..., ordinal: _Optional[int] = ...) -> None: ...

class LeaseRequest(_message.Message):
    __slots__ = ("generation", "worker", "wait_s")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    worker: str
    wait_s: float
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., worker: _Optional[str] = ..., wait_s: _Optional[float] = ...) -> None: ...

class LeaseReply(_message.Message):
    __slots__ = ("micro_batch", "lease", "reason")
    MICRO_BATCH_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    micro_batch: MicroBatch
    lease: int
    reason: str
    def __init__(self, micro_batch: _Optional[_Union[MicroBatch, _Mapping]] = ..., lease: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("generation", "updates", "version")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    updates: int
    version: int
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., updates: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class FetchReply(_message.Message):
    __slots__ = ("version", "updates", "values")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    version: int
    updates: int
    values: Tensor
    def __init__(self, version: _Optional[int] = ..., updates: _Optional[int] = ..., values: _Optional[_Union[Tensor, _Mapping]] = ...) -> None: ...

class PushRequest(_message.Message):
    __slots__ = ("generation", "worker", "lease", "micro_batch", "version", "loss", "size", "values", "indices", "refusal")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MICRO_BATCH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    worker: str
    lease: int
    micro_batch: MicroBatch
    version: int
    loss: float
    size: int
    values: Tensor
    indices: Tensor
    refusal: str
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., worker: _Optional[str] = ..., lease: _Optional[int] = ..., micro_batch: _Optional[_Union[MicroBatch, _Mapping]] = ..., version: _Optional[int] = ..., loss: _Optional[float] = ..., size: _Optional[int] = ..., values: _Optional[_Union[Tensor, _Mapping]] = ..., indices: _Optional[_Union[Tensor, _Mapping]] = ..., refusal: _Optional[str] = ...) -> None: ...

class PushReply(_message.Message):
    __slots__ = ("verdict", "next")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    verdict: str
    next: LeaseReply
    def __init__(self, verdict: _Optional[str] = ..., next: _Optional[_Union[LeaseReply, _Mapping]] = ...) -> None: ...

class JobFinishedRequest(_message.Message):
    __slots__ = ("generation", "worker")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    worker: str
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., worker: _Optional[str] = ...) -> None: ...

class JobFinishedReply(_message.Message):
    __slots__ = ("returned",)
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    returned: int
    def __init__(self, returned: _Optional[int] = ...) -> None: ...

class TrainRequest(_message.Message):
    __slots__ = ("spec", "abandon")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    ABANDON_FIELD_NUMBER: _ClassVar[int]
    spec: str
    abandon: bool
    def __init__(self, spec: _Optional[str] = ..., abandon: _Optional[bool] = ...) -> None: ...

class TrainReply(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: str
    def __init__(self, run: _Optional[str] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class RestoreRequest(_message.Message):
    __slots__ = ("generation", "spec", "shard", "manifest")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    spec: str
    shard: int
    manifest: str
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., spec: _Optional[str] = ..., shard: _Optional[int] = ..., manifest: _Optional[str] = ...) -> None: ...

class RestoreReply(_message.Message):
    __slots__ = ("ahead",)
    AHEAD_FIELD_NUMBER: _ClassVar[int]
    ahead: _containers.RepeatedCompositeFieldContainer[MicroBatch]
    def __init__(self, ahead: _Optional[_Iterable[_Union[MicroBatch, _Mapping]]] = ...) -> None: ...

class CheckpointRequest(_message.Message):
    __slots__ = ("generation", "version", "wait_s")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    version: int
    wait_s: float
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., version: _Optional[int] = ..., wait_s: _Optional[float] = ...) -> None: ...

class CheckpointReply(_message.Message):
    __slots__ = ("part",)
    PART_FIELD_NUMBER: _ClassVar[int]
    part: str
    def __init__(self, part: _Optional[str] = ...) -> None: ...

class ShardStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ShardStatusReply(_message.Message):
    __slots__ = ("generation", "version", "applied", "is_finite", "draining")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    IS_FINITE_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    version: int
    applied: int
    is_finite: bool
    draining: bool
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., version: _Optional[int] = ..., applied: _Optional[int] = ..., is_finite: _Optional[bool] = ..., draining: _Optional[bool] = ...) -> None: ...
