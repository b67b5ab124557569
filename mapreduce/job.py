"""A job, as its author writes it: a class with `map`, and a `reduce` that is a method or an aggregation."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, get_type_hints

from pydantic import TypeAdapter, ValidationError

from mapreduce.aggregate import Aggregation
from mapreduce.encoding import encode_key
from mapreduce.errors import JobLoadError, ParameterError
from mapreduce.partition import hash_partition

Pair = tuple[Any, Any]


class Job:
    """Subclass this, and write `map(key, value)`; everything else has a default.

    A parameter is an annotated class attribute with a default (`min_length: int = 1`); `--param min_length=3` sets it.
    An attribute whose name starts with an underscore is not a parameter.

    Attributes:
        source: the URL of the object that the current record comes from (in `map` and `combine`).
        stage: "map" or "reduce": which task this instance runs in.
    """

    reduce: ClassVar[Any] = None

    def __init__(self, **parameters: Any) -> None:
        known = type(self).parameters()
        for name, value in parameters.items():
            if name not in known:
                raise ParameterError(_unknown_parameter(type(self), name, known))
            setattr(self, name, _converted(type(self), name, known[name], value))
        self.source = ""
        self.stage: Literal["map", "reduce"] = "map"
        self.counters: Counter[str] = Counter()
        self.status_text = ""

    # -- what an author writes ------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Called once in each task, before its first record."""

    def map(self, key: Any, value: Any) -> Iterable[Pair]:
        """Yields pairs for one record. For text, `key` is the byte offset of the line and `value` the line."""
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

    # -- what the engine asks -------------------------------------------------------------------------------------

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """The job's parameters: name to type."""
        hints = get_type_hints(cls)
        own = {name for base in cls.__mro__ if issubclass(base, Job) and base is not Job for name in vars(base)}
        return {
            name: kind
            for name, kind in hints.items()
            if name in own and not name.startswith("_") and getattr(kind, "__origin__", None) is not ClassVar
        }

    def parameter_values(self) -> dict[str, Any]:
        """Every parameter with the value that this instance has."""
        return {name: getattr(self, name) for name in self.parameters()}

    @property
    def aggregation(self) -> Aggregation[Any] | None:
        """The aggregation that `reduce` is, or None when it is a method."""
        return self.reduce if isinstance(self.reduce, Aggregation) else None

    @property
    def combines(self) -> bool:
        """True when the author wrote a `combine`."""
        return type(self).combine is not Job.combine

    @property
    def partitions_itself(self) -> bool:
        """True when the author wrote a `partition`."""
        return type(self).partition is not Job.partition

    @classmethod
    def check(cls) -> None:
        """Refuses a class that cannot run as a job.

        Raises:
            JobLoadError: `map` or `reduce` is missing or is not what it should be.
        """
        if cls.map is Job.map:
            raise JobLoadError(
                f"the job {cls.__name__} has no `map`; write `def map(self, key, value)` that yields pairs"
            )
        if cls.reduce is None:
            raise JobLoadError(
                f"the job {cls.__name__} has no `reduce`; write `reduce = Sum()` or `def reduce(self, key, values)`"
            )
        if inspect.isclass(cls.reduce) and issubclass(cls.reduce, Aggregation):
            raise JobLoadError(
                f"`reduce` of {cls.__name__} is a class; make an instance: `reduce = {cls.reduce.__name__}()`"
            )
        if not isinstance(cls.reduce, Aggregation) and not callable(cls.reduce):
            raise JobLoadError(f"`reduce` of {cls.__name__} is {cls.reduce!r}, neither a method nor an aggregation")


def parse_parameters(cls: type[Job], assignments: Mapping[str, str]) -> dict[str, Any]:
    """Parameter values from the texts of `--param name=value`.

    Raises:
        ParameterError: an unknown name, or a text that is not of the parameter's type.
    """
    known = cls.parameters()
    for name in assignments:
        if name not in known:
            raise ParameterError(_unknown_parameter(cls, name, known))
    return {name: _parsed(cls, name, known[name], text) for name, text in assignments.items()}


def _converted(cls: type[Job], name: str, kind: Any, value: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as exc:
        raise ParameterError(_wrong_value(cls, name, kind, value, exc)) from None


def _parsed(cls: type[Job], name: str, kind: Any, text: str) -> Any:
    adapter = TypeAdapter[Any](kind)
    try:
        return adapter.validate_strings(text)
    except ValidationError as exc:
        first = exc
    try:
        return adapter.validate_json(text)
    except ValidationError:
        raise ParameterError(_wrong_value(cls, name, kind, text, first)) from None


def _wrong_value(cls: type[Job], name: str, kind: Any, value: Any, exc: ValidationError) -> str:
    wanted = getattr(kind, "__name__", str(kind))
    return f"parameter {name} of {cls.__name__} wants {wanted}, not {value!r}: {exc.errors()[0]['msg']}"


def _unknown_parameter(cls: type[Job], name: str, known: Mapping[str, Any]) -> str:
    has = ", ".join(sorted(known)) if known else "none"
    return f"the job {cls.__name__} has no parameter {name!r}; it has: {has}"
