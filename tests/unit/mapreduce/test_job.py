"""Parameters have types, and a class that cannot run is refused with the remedy."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from mapreduce import Job, Sum
from mapreduce.encoding import encode_key
from mapreduce.errors import JobLoadError, ParameterError
from mapreduce.job import task_state
from mapreduce.partition import hash_partition
from mapreduce.user_code.parameters import parse_parameters


class Parent(Job):
    min_length: int = 1
    _private: int = 5
    limit: ClassVar[int] = 3
    plain = "no annotation"
    reduce: ClassVar[Any] = Sum()

    def map(self, key: Any, value: Any) -> list[Any]:
        return []


class Child(Parent):
    ratio: float = 0.5
    name: str = "x"
    verbose: bool = False
    stop: list[str] = []  # noqa: RUF012
    mode: Literal["fast", "exact"] = "fast"
    maybe: int | None = None
    min_length: int = 2


def test_parameters_are_annotated_attributes_with_a_default() -> None:
    """Parameters are public annotated attributes with a default, also inherited ones, but no class
    variables.
    """
    assert {"min_length": int} == Parent.parameters()
    assert {"ratio", "name", "verbose", "stop", "mode", "maybe", "min_length"} == set(
        Child.parameters()
    )


def test_values_and_defaults() -> None:
    """An instance has its parameters' values, and the class keeps its defaults."""
    job = Child(min_length=7, stop=["a"])
    assert (7, ["a"], 0.5, "fast") == (job.min_length, job.stop, job.ratio, job.mode)
    assert (2, 1, []) == (Child().min_length, Parent().min_length, Child.stop)
    expected = {
        "min_length": 7,
        "ratio": 0.5,
        "name": "x",
        "verbose": False,
        "stop": ["a"],
        "mode": "fast",
        "maybe": None,
    }
    assert expected == job.parameter_values()
    assert expected == Child(**job.parameter_values()).parameter_values()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("min_length", "3", 3),
        ("min_length", "-3", -3),
        ("ratio", "1", 1.0),
        ("ratio", "1e-3", 0.001),
        ("name", "3", "3"),
        ("name", "", ""),
        ("name", '"quoted"', '"quoted"'),
        ("verbose", "true", True),
        ("verbose", "0", False),
        ("stop", '["a", "b"]', ["a", "b"]),
        ("mode", "exact", "exact"),
        ("maybe", "4", 4),
        ("maybe", "null", None),
    ],
)
def test_texts_of_the_command_line(name: str, text: str, expected: Any) -> None:
    """`--param name=value` gives a value of the parameter's type."""
    assert repr({name: expected}) == repr(parse_parameters(Child, {name: text}))


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("min_length", "three", "parameter min_length of Child wants int, not 'three'"),
        ("min_length", "1.5", "wants int, not '1.5'"),
        ("min_length", "", "wants int, not ''"),
        ("ratio", "x", "wants float, not 'x'"),
        ("verbose", "maybe", "wants bool, not 'maybe'"),
        ("stop", "a,b", "wants list"),
        ("mode", "slow", "'fast' or 'exact'"),
        (
            "min_lenght",
            "3",
            "Child has no parameter 'min_lenght'; it has: maybe, min_length, mode, name",
        ),
        ("_private", "3", "no parameter '_private'"),
        ("limit", "3", "no parameter 'limit'"),
        ("reduce", "3", "no parameter 'reduce'"),
    ],
)
def test_wrong_texts(name: str, text: str, named: str) -> None:
    """A wrong name or type is refused with the job's name and the expected type."""
    with pytest.raises(ParameterError) as caught:
        parse_parameters(Child, {name: text})
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "parameters", [{"min_length": "three"}, {"min_length": 1.5}, {"stop": [1]}, {"none": 1}]
)
def test_wrong_values(parameters: dict[str, Any]) -> None:
    """An instance refuses wrong parameters, because they may come in a message."""
    with pytest.raises(ParameterError):
        Child(**parameters)


def test_job_without_parameters_says_so() -> None:
    """An error for a job without parameters says "none"."""

    class Bare(Parent):
        pass

    with pytest.raises(ParameterError, match="it has: min_length"):
        Bare(x=1)
    with pytest.raises(ParameterError, match="it has: none"):
        Job(x=1)


class Typed(Parent):
    day: datetime.date = datetime.date(2020, 1, 2)
    price: Decimal = Decimal("1.50")
    tags: set[str] = {"b", "a"}  # noqa: RUF012
    where: Path = Path("/x")


def test_values_travel_as_json() -> None:
    """A value of each parameter type is equal after JSON."""
    texts = {"day": "2021-02-03", "price": "0.10", "tags": '["y", "x"]', "where": "a/b"}
    for job in (
        Typed(),
        Typed(**parse_parameters(Typed, texts)),
        Typed(day=datetime.date(2000, 1, 1)),
    ):
        values = json.loads(json.dumps(job.parameter_values()))
        again = Typed(**values)
        assert (job.day, job.price, job.tags, job.where) == (
            again.day,
            again.price,
            again.tags,
            again.where,
        )
        assert values == again.parameter_values()
    assert datetime.date(2021, 2, 3) == Typed(**parse_parameters(Typed, texts)).day


def test_parameters_that_cannot_travel() -> None:
    """A parameter's type that no text can express, and an invalid annotation, are refused."""

    class Odd(Parent):
        other: Parent = None  # type: ignore[assignment]

    with pytest.raises(
        JobLoadError, match="the parameter `other` of Odd is a Parent, which no text can express"
    ):
        Odd.check()
    unread: Any = type("Unread", (Parent,), {"__annotations__": {"x": "Nowhere"}, "x": 1})
    with pytest.raises(JobLoadError, match="an annotation in Unread cannot be read"):
        unread.check()


def no_map() -> type[Job]:
    """Return a job without `map`."""

    class NoMap(Job):
        least = 1

    return NoMap


def class_for_reduce() -> type[Job]:
    """Return a job whose `reduce` is an aggregation's class."""

    class ClassForReduce(Parent):
        reduce = Sum

    return ClassForReduce


def text_for_reduce() -> type[Job]:
    """Return a job whose `reduce` is a text."""

    class TextForReduce(Parent):
        reduce = "sum"

    return TextForReduce


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (no_map, "NoMap has no `map`; write `def map(self, key, value)`"),
        (class_for_reduce, "`reduce = Sum()`"),
        (text_for_reduce, "is 'sum', neither a method nor an aggregation"),
    ],
)
def test_classes_that_cannot_run(make: Any, named: str) -> None:
    """A class with an error is refused with the remedy."""
    with pytest.raises(JobLoadError) as caught:
        make().check()
    assert named in str(caught.value)


def test_hooks_that_a_job_has() -> None:
    """A job reports whether it aggregates, combines and partitions, also by inheritance."""

    class Own(Parent):
        def combine(self, key: Any, values: Any) -> Any:
            return []

        def partition(self, key: Any, partitions: int) -> int:
            return 0

        def reduce(self, key: Any, values: Any) -> Any:
            return []

    class OwnChild(Own):
        pass

    Parent.check()
    OwnChild.check()
    parent = Parent()
    assert (Parent.reduce, False, False) == (
        parent.aggregation,
        parent.combines,
        parent.partitions_itself,
    )
    child = OwnChild()
    assert (None, True, True) == (child.aggregation, child.combines, child.partitions_itself)
    assert hash_partition(encode_key("k"), 7) == parent.partition("k", 7)


def test_counters_and_status() -> None:
    """Counters add up for each instance, and the status is the last one."""
    one, other = Parent(), Parent()
    one.count("a")
    one.count("a", 4)
    one.status("x")
    one.status("y")
    assert ({"a": 5}, {}) == (one.counters, other.counters)
    assert ("y", "") == (task_state(one).status, task_state(other).status)
