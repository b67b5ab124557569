"""A job, as its author writes it: a class with `map`, and a `reduce` that is a method or an aggregation."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from mapreduce.aggregate import Aggregation
from mapreduce.batch import Batch
from mapreduce.encoding import encode_key
from mapreduce.errors import JobLoadError
from mapreduce.formats.kinds import Format, JsonLines, Text, WholeFile
from mapreduce.parameters import Parametrised
from mapreduce.partition import hash_partition

Pair = tuple[Any, Any]
_BATCHED = (Text, JsonLines, WholeFile)


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
        source: the URL of the object that the current record comes from (in `map` and `combine`).
        input: the name of the current input, as `--input NAME=PATH` gave it.
        stage: "map" or "reduce": which task this instance runs in.
    """

    reduce: ClassVar[Any] = None
    input_format: ClassVar[Format | Mapping[str, Format]] = Text()
    group_by: ClassVar[int] = 0
    total_order: ClassVar[bool] = False
    order_matters: ClassVar[bool] = False
    files: ClassVar[Sequence[str]] = ()

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.source = ""
        self.input = ""
        self.stage: Literal["map", "reduce"] = "map"
        self.counters: Counter[str] = Counter()
        self.status_text = ""

    # -- what an author writes ------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Called once in each task, before its first record."""

    def map(self, key: Any, value: Any) -> Iterable[Pair]:
        """Yields pairs for one record. For text, `key` is the byte offset of the line and `value` the line."""
        raise NotImplementedError

    def map_batch(self, batch: Batch) -> tuple[Iterable[Any], Iterable[Any]]:
        """The same as `map` for many records at once: a column of keys and a column of values, of one length.

        A column is a list, or what has `tolist()` (numpy) or `to_pylist()` (Arrow). `map` stays the definition, which
        `verify` and `check` hold this against.
        """
        raise NotImplementedError

    def combine(self, key: Any, values: Iterator[Any]) -> Iterable[Pair]:
        """Yields fewer pairs for the same key, in the mapper, any number of times or never."""
        raise NotImplementedError

    def partition(self, key: Any, partitions: int) -> int:
        """Which of the `partitions` reduce tasks gets the key: 0 to partitions - 1, by the key alone."""
        return hash_partition(encode_key(key), partitions)

    def cleanup(self) -> Iterable[Pair] | None:
        """Called once in each task, after its last record; may yield pairs, which join the task's own."""

    # -- what an author calls -------------------------------------------------------------------------------------

    def count(self, name: str, increment: int = 1) -> None:
        """Adds to a counter; the counters of all tasks are summed in the run's report."""
        self.counters[name] += increment

    def status(self, text: str) -> None:
        """Says what the task is doing now; it travels with the next heartbeat."""
        self.status_text = text

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
        """Refuses a class that cannot run as a job.

        Raises:
            JobLoadError: `map` is missing, or `reduce` or another attribute is not what it should be.
        """
        if cls.map is Job.map:
            raise JobLoadError(
                f"the job {cls.__name__} has no `map`; write `def map(self, key, value)` that yields pairs"
            )
        _check_reduce(cls)
        _check_attributes(cls)


def _check_reduce(cls: type[Job]) -> None:
    if inspect.isclass(cls.reduce) and issubclass(cls.reduce, Aggregation):
        raise JobLoadError(
            f"`reduce` of {cls.__name__} is a class; make an instance: `reduce = {cls.reduce.__name__}()`"
        )
    if cls.reduce is not None and not isinstance(cls.reduce, Aggregation) and not callable(cls.reduce):
        raise JobLoadError(f"`reduce` of {cls.__name__} is {cls.reduce!r}, neither a method nor an aggregation")
    if cls.group_by and (cls.reduce is None or isinstance(cls.reduce, Aggregation)):
        raise JobLoadError(f"{cls.__name__} has `group_by`, which needs `def reduce(self, key, values)`")


def _check_attributes(cls: type[Job]) -> None:
    if type(cls.group_by) is not int or cls.group_by < 0:
        raise JobLoadError(f"`group_by` of {cls.__name__} is {cls.group_by!r}; it is how many fields make a group")
    formats = cls.input_format.values() if isinstance(cls.input_format, Mapping) else [cls.input_format]
    for form in formats:
        if not hasattr(form, "kind"):
            raise JobLoadError(
                f"`input_format` of {cls.__name__} is {form!r}; write Text(), JsonLines(), Csv(), Parquet() or "
                "WholeFile(), or a dict of input name to one of these"
            )
        if cls.map_batch is not Job.map_batch and not isinstance(form, _BATCHED):
            raise JobLoadError(f"{cls.__name__} has `map_batch`, which reads Text, JsonLines and WholeFile alone")
    if isinstance(cls.files, str):
        raise JobLoadError(f"`files` of {cls.__name__} is a text; write a list: [{cls.files!r}]")
