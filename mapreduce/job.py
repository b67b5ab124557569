"""The job class that an author writes: `map`, and a `reduce` that is a method or an aggregation."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self, cast

from mapreduce.aggregate import Aggregation
from mapreduce.aggregations.several import Several
from mapreduce.batch import Batch
from mapreduce.encoding import encode_key
from mapreduce.errors import JobLoadError
from mapreduce.input_formats import Format, InputFormat, Text, of_own
from mapreduce.partition import hash_partition
from mapreduce.user_code.class_names import FOREIGN
from mapreduce.user_code.parameters import Parametrised
from mapreduce.user_code.row_join import RowJoin

if TYPE_CHECKING:
    from mapreduce.columns.table import Table

Pair = tuple[Any, Any]
AnyFormat = Format | InputFormat
StageOfJob = Literal["map", "reduce"]
_STATUS_LIMIT = 1000
MOST_COUNTERS = 1_000
COUNTER_NAME_LIMIT = 200
COUNTER_BITS = 1_024
COUNTER_LIMIT = 1 << COUNTER_BITS
_ENGINES_COUNTERS = frozenset(("invalid_utf8", "skipped_records"))


@dataclass(slots=True)
class TaskState:
    """The state of the task that a job's instance runs in; the author reads it through the job."""

    source: str = ""
    input: str = ""
    stage: StageOfJob = "map"
    key: Any = None
    counters: Counter[str] = field(default_factory=Counter)
    status: str = ""


class _ReadOnly(property):
    """A read-only property of the engine, with a clear message when a job sets it."""

    def __set__(self, instance: Any, value: Any) -> NoReturn:
        name = self.fget.__name__ if self.fget else ""
        raise AttributeError(
            f"`self.{name}` belongs to the engine and cannot be set; use another name"
        )


class Job(Parametrised):
    """Base of a user's job, which writes `map(key, value)`; everything else has a default.

    A parameter is an annotated class attribute (`min_length: int = 1`); `--param min_length=3` sets
    it. Without a default (`pattern: str`) it is required.

    Attributes:
        reduce: a method, an aggregation, or a dict of names and aggregations; without one the job
            is map-only: its result is what `map` yields.
        map_sql: the map as SQL, in place of `map` or beside it: a SELECT of `key` and `value` from
            `records`, which maps many records at a time; or a dict of input name to SQL.
        input_format: the format of all inputs, or a dict of input name to format; one that comes
            with the product, or an `InputFormat` of the author's.
        group_by: with composite keys, how many of their first fields make a group; the rest sorts
            the group's values (secondary sort). 0: a group is a key.
        total_order: parts are ranges of keys, so that the parts in order hold the whole result in
            key order.
        keep_order: a part holds its pairs in the order in which they were yielded, as Hadoop and
            mrjob write them; else in key order.
        columns: the names of the result's columns in `--output`: the fields of the key, then those
            of the value; or a dict of output name to names, for several outputs.
        order_matters: the result depends on the order of the input, on purpose; `check` then does
            not test for it.
        files: names of files and folders beside the job's file that travel with it;
            `self.path(name)` returns the path of one.
        requirements: packages that the job imports, as pip takes them: a list of texts, which is
            read before the job is imported.
        reducers, chunk_size, skip_bad_records, task_memory: settings of the run, as the options of
            the same names, which win.
    """

    if not TYPE_CHECKING:
        # undeclared for a type checker, because a method may override no attribute there
        reduce: ClassVar[Any] = None
    map_sql: ClassVar[str | Mapping[str, str] | None] = None
    input_format: ClassVar[AnyFormat | Mapping[str, AnyFormat]] = Text()
    group_by: ClassVar[int] = 0
    total_order: ClassVar[bool] = False
    keep_order: ClassVar[bool] = False
    columns: ClassVar[Sequence[str] | Mapping[str, Sequence[str]]] = ()
    order_matters: ClassVar[bool] = False
    files: ClassVar[Sequence[str]] = ()
    requirements: ClassVar[Sequence[str]] = ()
    _mapreduce_task: TaskState

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        given = vars(cls).get("reduce")
        # anything else in the dict is refused by `check`, which can say more
        if isinstance(given, Mapping) and given and Several.takes(given):
            cast("Any", cls).reduce = Several(given)

    def __new__(cls, *values: Any, **parameters: Any) -> Self:
        """Create an instance with a task's state, whether or not the author's `__init__` calls
        super.
        """
        made = super().__new__(cls, *values, **parameters)
        made._mapreduce_task = TaskState()
        return made

    def __getattr__(self, name: str) -> Any:
        """Raise an error that translates a name of mrjob, Hadoop or PySpark."""
        if name in FOREIGN:
            what = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(f"{what}; write {FOREIGN[name]}", name=name, obj=self)
        # raises Python's error, also one raised inside a property of the author's
        return super().__getattribute__(name)

    # -- methods that an author writes -------------------------------------------------------------

    def map_setup(self) -> None:
        """Prepare a map task; called before its first record."""

    def map(self, key: Any, value: Any, /) -> Iterable[Pair] | None:
        """Yield pairs for one record. For text, `key` is the byte offset of the line and `value`
        the line.

        A job with a `map_cleanup` may also return None, for no pairs. A step of a chain that reads
        the pairs of the step before may have no `map`: it passes them on as they are.
        """
        return [(key, value)]

    def map_batch(self, batch: Batch, /) -> tuple[Iterable[Any], Iterable[Any]]:
        """Return a column of keys and a column of values, of equal length, for many records at
        once.

        A column is a list, or has `tolist()` (numpy) or `to_pylist()` (Arrow). `map` remains the
        definition: `verify` and `check` compare this method with it.
        """
        raise NotImplementedError

    def map_arrow(self, table: Table, /) -> Any:
        """Return the pairs of many records at once: a table with the columns `key` and `value`, or
        two columns of equal length.

        Args:
            table: the records. Arrow libraries read it without a copy (`pyarrow.table(table)`,
                `polars.DataFrame(table)`), and `table.column(name)` is a list.

        A table is any object with the Arrow PyCapsule interface; a column is a list, or has
        `tolist()` or `to_pylist()`. If `map` is written too, it remains the definition, as for
        `map_batch`.
        """
        raise NotImplementedError

    def broadcasts(self) -> Iterable[str]:
        """Return the names of inputs, one of which may be broadcast: where it is small, each map
        task holds all of its pairs, `map_joined` maps the records of the others, and there is no
        reduce stage. The result must have the same pairs either way.
        """
        return ()

    def map_joined(
        self, held: Mapping[Any, Sequence[Any]], records: Iterator[Pair], /
    ) -> Iterable[Pair]:
        """Yield the result pairs of some records, where an input is broadcast.

        Args:
            held: what `map` yields for the records of that input: the key as `reduce` gets it, and
                the values in the order of the input.
            records: of one other input, each as the key and value that `map` gets.
        """
        raise NotImplementedError

    def row_join(self) -> RowJoin | None:
        """Return what `map_joined` does, if it joins rows on a column: the engine then joins them
        without a call and without objects of Python. `map_joined` remains the definition: `check`
        compares the two, and a class that redefines `map` or `map_joined` is not joined so.
        """
        return None

    def map_cleanup(self) -> Iterable[Pair] | None:
        """Finish a map task, after its last record; may yield pairs, which join those of `map`."""

    def combine(self, key: Any, values: Iterator[Any], /) -> Iterable[Pair]:
        """Yield fewer pairs for the same key, in the map task; called any number of times, or
        never.
        """
        raise NotImplementedError

    def partition(self, key: Any, partitions: int, /) -> int:
        """Return the partition of a key, from 0 to partitions - 1; it must depend on the key alone.

        Do not use Python's `hash`: for str and bytes it differs from process to process.
        """
        return hash_partition(encode_key(key), partitions)

    def reduce_setup(self) -> None:
        """Prepare a reduce task; called before its first key."""

    def reduce_cleanup(self) -> Iterable[Pair] | None:
        """Finish a reduce task after its last key; may yield pairs, which join those of reduce."""

    # -- methods that an author calls --------------------------------------------------------------

    @_ReadOnly
    def source(self) -> str:
        """The URL of the current record's object (in `map`)."""
        return self._mapreduce_task.source

    @_ReadOnly
    def input(self) -> str:
        """The name of the current input, from `--input NAME=PATH` (in `map`)."""
        return self._mapreduce_task.input

    @_ReadOnly
    def stage(self) -> StageOfJob:
        """The stage of the current task: "map" or "reduce"."""
        return self._mapreduce_task.stage

    @_ReadOnly
    def key(self) -> Any:
        """The key of the current value, whole (in `reduce`): with `group_by` it moves on with the
        values, as in Hadoop.
        """
        return self._mapreduce_task.key

    @_ReadOnly
    def counters(self) -> Mapping[str, int]:
        """The counters of this task so far; `count` adds to them."""
        return MappingProxyType(self._mapreduce_task.counters)

    def count(self, name: str, increment: int = 1) -> None:
        """Add to a counter; the run's report sums the counters of all tasks.

        Args:
            name: the counter's name, of at most 200 characters.
            increment: an int; it may be negative.

        Raises:
            TypeError: the name is not a str, or the increment not an int.
            ValueError: the name is too long, the count does not fit 1,024 bits, or the task has
                1,000 counters already.
        """
        counters = self._mapreduce_task.counters
        # a name that is known was checked at its first use
        if type(increment) is int and type(name) is str and name in counters:
            total = counters[name] + increment
            if -COUNTER_LIMIT < total < COUNTER_LIMIT:
                counters[name] = total
                return
        if type(increment) is not int or type(name) is not str or name in _ENGINES_COUNTERS:
            raise TypeError(_wrong_count(name, increment))
        name.encode()  # raises for half a surrogate here, in the author's call
        total = counters.get(name, 0) + increment
        _check_count(name, total, len(counters))
        counters[name] = total

    def status(self, text: object) -> None:
        """Set the task's status text; the next heartbeat sends it, cut to 1,000 characters."""
        said = str(text)[:_STATUS_LIMIT]
        self._mapreduce_task.status = said.encode("utf-8", "backslashreplace").decode()

    def path(self, name: str) -> Path:
        """Return the local path of one of `files`.

        Raises:
            ValueError: the name is absolute, or leads out of the job's folder.
            FileNotFoundError: no such file travels with the job.
        """
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(
                f"self.path({name!r}): only files beside the job's file travel with it; copy it "
                "there, and name it in `files`"
            )
        found = Path(inspect.getfile(type(self))).parent / name
        if not found.exists():
            raise FileNotFoundError(
                f"self.path({name!r}): no such file travels with the job; "
                f"write `files = [{name!r}]` in the class"
            )
        return found

    # -- properties that the engine reads ----------------------------------------------------------

    @property
    def aggregation(self) -> Aggregation[Any] | None:
        """The aggregation in `reduce`, or None if it is a method."""
        return self.reduce if isinstance(self.reduce, Aggregation) else None

    @property
    def combines(self) -> bool:
        """True if the author wrote a `combine`."""
        return type(self).combine is not Job.combine

    @property
    def maps_batches(self) -> bool:
        """True if the author wrote a `map_batch`, and no subclass redefines `map`."""
        return self._map_method == "map_batch"

    @property
    def maps_columns(self) -> bool:
        """True if the author wrote `map_sql` or `map_arrow`, and no subclass redefines `map`."""
        return self._map_method in ("map_sql", "map_arrow")

    def sql_of(self, name: str) -> str | None:
        """Return the SQL that maps the input of that name; None if there is none."""
        if self._map_method != "map_sql":
            return None
        given = type(self).map_sql
        return given.get(name) if isinstance(given, Mapping) else given

    @property
    def _map_method(self) -> str:
        """The method that maps: that of the youngest class which has one, the fastest of it."""
        for cls in type(self).__mro__:
            for name in ("map_sql", "map_arrow", "map_batch", "map"):
                if vars(cls).get(name) is not None:
                    return name if cls is not Job else "map"
        return "map"

    @property
    def passes_on(self) -> bool:
        """True if the author wrote no `map`, so that the job can only read pairs."""
        return type(self).map is Job.map

    @property
    def gathers(self) -> bool:
        """True if the author wrote a `map_cleanup`, so that `map` may return None."""
        return type(self).map_cleanup is not Job.map_cleanup

    @property
    def map_only(self) -> bool:
        """True if the job has no `reduce`."""
        return self.reduce is None

    @classmethod
    def format_of(cls, name: str) -> Format:
        """Return the format of the input of that name, as messages hold it.

        Raises:
            JobLoadError: `input_format` is a dict without that name.
        """
        form = cls._format(name)
        return of_own(form) if isinstance(form, InputFormat) else form

    @classmethod
    def own_format(cls, name: str) -> InputFormat | None:
        """Return the author's own format of the input of that name; None if it is another."""
        form = cls._format(name)
        return form if isinstance(form, InputFormat) else None

    @classmethod
    def _format(cls, name: str) -> AnyFormat:
        if not isinstance(cls.input_format, Mapping):
            return cls.input_format
        if name not in cls.input_format:
            known = ", ".join(f"--input {known}=PATH" for known in cls.input_format)
            raise JobLoadError(f"{cls.__name__} has inputs with names; give {known}")
        return cls.input_format[name]

    @property
    def partitions_itself(self) -> bool:
        """True if the author wrote a `partition`."""
        return type(self).partition is not Job.partition

    @classmethod
    def check(cls) -> None:
        """Refuse a class that cannot run as a job, or would silently differ from what its author
        wrote.

        Raises:
            JobLoadError: names what is wrong, and what to write.
        """
        from mapreduce.user_code.class_check import check_job  # late: it imports this module

        check_job(cls)


def reduce_of(job: type[Job]) -> Any:
    """Return the `reduce` of a class, which is undeclared for a type checker."""
    return cast("Any", job).reduce


def task_state(job: Job) -> TaskState:
    """Return the engine's state of an instance: what it sets, and the job's counters and status."""
    return job._mapreduce_task


def _check_count(name: str, total: int, counters: int) -> None:
    if len(name) > COUNTER_NAME_LIMIT:
        raise ValueError(
            f"the name of a counter has {len(name):,} characters, and the limit is "
            f"{COUNTER_NAME_LIMIT}: {name[:40]!r}..."
        )
    if not -COUNTER_LIMIT < total < COUNTER_LIMIT:
        raise ValueError(
            f"the counter {name!r} does not fit {COUNTER_BITS:,} bits; yield the number as a pair"
        )
    if counters >= MOST_COUNTERS:
        raise ValueError(
            f"the counter {name!r} would be one more than the {MOST_COUNTERS:,} that a task may "
            "have; yield a pair for each of many names, and let reduce add them up"
        )


def _wrong_count(name: object, increment: object) -> str:
    if type(name) is str and type(increment) is str:
        return f"a counter has one name: write self.count({f'{name}: {increment}'!r})"
    if type(name) is not str:
        return f"a counter's name is a str, not {type(name).__name__}: write self.count(str(name))"
    if name in _ENGINES_COUNTERS:
        return f"the counter name {name!r} belongs to the engine; use another name"
    kind = type(increment)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return (
        f"the counter {name!r} is counted in ints, not by a {module}{kind.__name__} "
        f"({increment!r}); write int(...)"
    )
