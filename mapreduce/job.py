"""A job, as its author writes it: a class with `map`, and a `reduce` that is a method or an aggregation."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NoReturn, Self

from mapreduce.aggregate import Aggregation
from mapreduce.batch import Batch
from mapreduce.encoding import encode_key
from mapreduce.errors import JobLoadError
from mapreduce.input_formats import Format, Text
from mapreduce.parameters import Parametrised
from mapreduce.partition import hash_partition
from mapreduce.user_code.class_names import FOREIGN

Pair = tuple[Any, Any]
StageOfJob = Literal["map", "reduce"]
_STATUS_LIMIT = 1000
MOST_COUNTERS = 1_000
COUNTER_NAME_LIMIT = 200
COUNTER_BITS = 1_024
COUNTER_LIMIT = 1 << COUNTER_BITS
_ENGINES_COUNTERS = frozenset(("invalid_utf8", "skipped_records"))


@dataclass(slots=True)
class TaskState:
    """What the engine keeps of the task that a job's instance runs in; the author reads it through the job."""

    source: str = ""
    input: str = ""
    stage: StageOfJob = "map"
    counters: Counter[str] = field(default_factory=Counter)
    status: str = ""


class _ReadOnly(property):
    """A property of the engine's that says so when a job sets it."""

    def __set__(self, instance: Any, value: Any) -> NoReturn:
        name = self.fget.__name__ if self.fget else ""
        raise AttributeError(
            f"`self.{name}` is the engine's and cannot be set; keep yours under another name"
        )


class Job(Parametrised):
    """Subclass this, and write `map(key, value)`; everything else has a default.

    A parameter is an annotated class attribute with a default (`min_length: int = 1`); `--param min_length=3` sets it.

    Attributes:
        reduce: a method or an aggregation; a job without one is map-only: its result is what `map` yields.
        input_format: what the input consists of, for all inputs or by their names.
        group_by: with composite keys, how many of their first fields make a group; the rest sorts the group's values
            (secondary sort). 0: a group is a key.
        total_order: parts are ranges of keys, so that part after part the whole result is in key order.
        order_matters: the result depends on the order of the input, on purpose; `check` then does not look for it.
        files: names of files and folders beside the job's own file that travel with it; `self.path(name)` finds one.
    """

    reduce: ClassVar[Any] = None
    input_format: ClassVar[Format | Mapping[str, Format]] = Text()
    group_by: ClassVar[int] = 0
    total_order: ClassVar[bool] = False
    order_matters: ClassVar[bool] = False
    files: ClassVar[Sequence[str]] = ()
    _mapreduce_task: TaskState

    def __new__(cls, *values: Any, **parameters: Any) -> Self:
        """Make an instance with a task's state, whatever an `__init__` of the author's does."""
        made = super().__new__(cls, *values, **parameters)
        made._mapreduce_task = TaskState()
        return made

    def __getattr__(self, name: str) -> Any:
        """Say what is written here for a name of mrjob, Hadoop or PySpark that is not there."""
        if name in FOREIGN:
            message = (
                f"{type(self).__name__!r} object has no attribute {name!r}; write {FOREIGN[name]}"
            )
            raise AttributeError(message, name=name, obj=self)
        return super().__getattribute__(
            name
        )  # raises Python's own error, also that of a property of the author's

    # -- what an author writes ------------------------------------------------------------------------------------

    def map_setup(self) -> None:
        """Called in each map task, before its first record."""

    def map(self, key: Any, value: Any) -> Iterable[Pair]:
        """Yields pairs for one record. For text, `key` is the byte offset of the line and `value` the line.

        In a job that has a `map_cleanup` it may also return None, for no pairs.
        """
        raise NotImplementedError

    def map_batch(self, batch: Batch) -> tuple[Iterable[Any], Iterable[Any]]:
        """The same as `map` for many records at once: a column of keys and a column of values, of one length.

        A column is a list, or what has `tolist()` (numpy) or `to_pylist()` (Arrow). `map` stays the definition, which
        `verify` and `check` hold this against.
        """
        raise NotImplementedError

    def map_cleanup(self) -> Iterable[Pair] | None:
        """Called in each map task, after its last record; may yield pairs, which join those of `map`."""

    def combine(self, key: Any, values: Iterator[Any]) -> Iterable[Pair]:
        """Yields fewer pairs for the same key, in the mapper, any number of times or never."""
        raise NotImplementedError

    def partition(self, key: Any, partitions: int) -> int:
        """Which of the `partitions` reduce tasks gets the key: 0 to partitions - 1, by the key alone.

        Not by Python's `hash`: that of a str or bytes differs from process to process.
        """
        return hash_partition(encode_key(key), partitions)

    def reduce_setup(self) -> None:
        """Called in each reduce task, before its first key."""

    def reduce_cleanup(self) -> Iterable[Pair] | None:
        """Called in each reduce task, after its last key; may yield pairs, which join those of `reduce`."""

    # -- what an author calls -------------------------------------------------------------------------------------

    @_ReadOnly
    def source(self) -> str:
        """The URL of the object that the current record comes from (in `map`)."""
        return self._mapreduce_task.source

    @_ReadOnly
    def input(self) -> str:
        """The name of the current input, as `--input NAME=PATH` gave it (in `map`)."""
        return self._mapreduce_task.input

    @_ReadOnly
    def stage(self) -> StageOfJob:
        """Which task this instance runs in: "map" or "reduce"."""
        return self._mapreduce_task.stage

    @_ReadOnly
    def counters(self) -> Mapping[str, int]:
        """What this instance has counted so far; `count` adds to it."""
        return MappingProxyType(self._mapreduce_task.counters)

    def count(self, name: str, increment: int = 1) -> None:
        """Adds to a counter; the counters of all tasks are summed in the run's report.

        Args:
            name: the counter's name, of at most 200 characters.
            increment: an int; it may be negative.

        Raises:
            TypeError: the name is no str, or the increment no int.
            ValueError: the name is too long, the count does not fit 1,024 bits, or a task would have more than 1,000
                counters.
        """
        if type(increment) is not int or type(name) is not str or name in _ENGINES_COUNTERS:
            raise TypeError(_wrong_count(name, increment))
        name.encode()  # half a surrogate is refused here, where the author sees it
        counters = self._mapreduce_task.counters
        total = counters.get(name, 0) + increment
        if name not in counters or not -COUNTER_LIMIT < total < COUNTER_LIMIT:
            _check_count(name, total, len(counters))
        counters[name] = total

    def status(self, text: object) -> None:
        """Says what the task is doing now; it travels with the next heartbeat, cut to 1,000 characters."""
        said = str(text)[:_STATUS_LIMIT]
        self._mapreduce_task.status = said.encode("utf-8", "backslashreplace").decode()

    def path(self, name: str) -> Path:
        """Where one of `files` is now."""
        return Path(inspect.getfile(type(self))).parent / name

    # -- what the engine asks -------------------------------------------------------------------------------------

    @property
    def aggregation(self) -> Aggregation[Any] | None:
        """The aggregation that `reduce` is, or None when it is a method."""
        return self.reduce if isinstance(self.reduce, Aggregation) else None

    @property
    def combines(self) -> bool:
        """True when the author wrote a `combine`."""
        return type(self).combine is not Job.combine

    @property
    def maps_batches(self) -> bool:
        """True when the author wrote a `map_batch`, and no other `map` since."""
        for cls in type(self).__mro__:
            if "map_batch" in vars(cls):
                return cls is not Job
            if "map" in vars(cls):
                return False
        return False

    @property
    def gathers(self) -> bool:
        """True when the author wrote a `map_cleanup`, so that `map` may yield nothing and return None."""
        return type(self).map_cleanup is not Job.map_cleanup

    @property
    def map_only(self) -> bool:
        """True when there is nothing to reduce."""
        return self.reduce is None

    @classmethod
    def format_of(cls, name: str) -> Format:
        """The format of the input of that name.

        Raises:
            JobLoadError: `input_format` is by name, and has none of that name.
        """
        if not isinstance(cls.input_format, Mapping):
            return cls.input_format
        if name not in cls.input_format:
            known = ", ".join(f"--input {known}=PATH" for known in cls.input_format)
            raise JobLoadError(f"{cls.__name__} has inputs with names; give {known}")
        return cls.input_format[name]

    @property
    def partitions_itself(self) -> bool:
        """True when the author wrote a `partition`."""
        return type(self).partition is not Job.partition

    @classmethod
    def check(cls) -> None:
        """Refuses a class that cannot run as a job, or would do something else than its author wrote.

        Raises:
            JobLoadError: what is wrong, and what to write.
        """
        from mapreduce.user_code.class_check import check_job  # which needs this class

        check_job(cls)


def task_state(job: Job) -> TaskState:
    """The engine's side of an instance: what it sets, and what the job has counted and said."""
    return job._mapreduce_task


def _check_count(name: str, total: int, counters: int) -> None:
    if len(name) > COUNTER_NAME_LIMIT:
        raise ValueError(
            f"the name of a counter has {len(name):,} characters, and at most {COUNTER_NAME_LIMIT} are carried: "
            f"{name[:40]!r}..."
        )
    if not -COUNTER_LIMIT < total < COUNTER_LIMIT:
        raise ValueError(
            f"the counter {name!r} does not fit {COUNTER_BITS:,} bits; yield such a number as a pair"
        )
    if counters >= MOST_COUNTERS:
        raise ValueError(
            f"the counter {name!r} would be one more than the {MOST_COUNTERS:,} that a task may have; yield a pair for "
            "each of many names, and let reduce add them up"
        )


def _wrong_count(name: object, increment: object) -> str:
    if type(name) is str and type(increment) is str:
        return f"a counter has one name: write self.count({f'{name}: {increment}'!r})"
    if type(name) is not str:
        return f"a counter's name is a str, not {type(name).__name__}: write self.count(str(name))"
    if name in _ENGINES_COUNTERS:
        return f"the counter {name!r} is the engine's; call yours otherwise"
    kind = type(increment)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"the counter {name!r} is counted in ints, not by a {module}{kind.__name__} ({increment!r}); write int(...)"
