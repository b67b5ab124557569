"""A class that cannot run, or has methods that are never called, is refused with the remedy."""

from __future__ import annotations

import math
import statistics
from typing import Any, ClassVar

import pytest

from mapreduce import Aggregation, CollectSet, Count, Job, Sum
from mapreduce.errors import JobLoadError, UserCodeError
from mapreduce.testing import run
from mapreduce.user_code.class_check import check_instance


class Lines(Job):
    """A valid job."""

    reduce: ClassVar[Any] = Count()

    def map(self, key: Any, value: Any) -> Any:
        return [(value, 1)]


def hook(self: Any, *_: Any) -> Any:
    """Accept any arguments."""
    return []


async def awaited(self: Any, *_: Any) -> Any:
    """Return a coroutine."""


async def streamed(self: Any, *_: Any) -> Any:
    """Return an asynchronous generator."""
    yield 1


class NoMerge(Aggregation[Any]):
    """An incomplete aggregation."""

    def create(self, value: Any) -> Any:
        return value

    def add(self, state: Any, value: Any) -> Any:
        return state


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ({"reduce": sum}, "`reduce = sum` of Mine is a function; write `reduce = Sum()`"),
        ({"reduce": set}, "write `reduce = CollectSet()`"),
        ({"reduce": math.fsum}, "write `reduce = Sum()`"),
        ({"reduce": statistics.mean}, "write `reduce = Mean()`"),
        ({"reduce": print}, "not a method; write `def reduce(self, key, values)`"),
        ({"reduce": NoMerge()}, "the aggregation NoMerge has no `merge`"),
        (
            {"reduce": lambda self, values: []},
            "takes (self, values); write `def reduce(self, key, values)`",
        ),
        ({"map": lambda self, line: []}, "takes (self, line); write `def map(self, key, value)`"),
        ({"map": 3}, "`map` of Mine is 3, not a method"),
        ({"map": awaited}, "`map` of Mine may not be async; write `def map(self, key, value)`"),
        ({"map": streamed}, "`map` of Mine may not be async"),
        (
            {"map_setup": awaited},
            "`map_setup` of Mine may not be async; write `def map_setup(self)`",
        ),
        ({"map_setup": lambda self, context: None}, "write `def map_setup(self)`"),
        (
            {"combine": hook},
            "`combine` of Mine is never called: `reduce = Count()` needs no code of the job",
        ),
        ({"reduce_setup": hook}, "`reduce_setup` of Mine is never called"),
        ({"reduce_cleanup": hook}, "`reduce_cleanup` of Mine is never called"),
        (
            {"reduce": None, "combine": hook},
            "`combine` of Mine is never called: it has no `reduce`",
        ),
        ({"reduce": None, "partition": hook}, "`partition` of Mine is never called"),
        ({"reduce": None, "reduce_cleanup": hook}, "`reduce_cleanup` of Mine is never called"),
        ({"columns": "word"}, "`columns` of Mine is 'word'; write a tuple of names"),
        ({"columns": ("a", "A")}, "`columns` of Mine has 'a' twice"),
        ({"keep_order": 1}, "`keep_order` of Mine is 1; write True or False"),
        ({"keep_order": True}, "an aggregation yields its keys in key order; remove it"),
        ({"reduce": None, "total_order": True}, "has `total_order`, which needs a `reduce`"),
        (
            {"total_order": True, "partition": hook},
            "its own `partition`, which is never called then",
        ),
    ],
)
def test_refusals(names: dict[str, Any], named: str) -> None:
    """An invalid class is refused with the remedy."""
    with pytest.raises(JobLoadError) as caught:
        type("Mine", (Lines,), {"__module__": __name__, **names}).check()  # type: ignore[attr-defined]
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        {
            "reduce": hook,
            "combine": hook,
            "partition": hook,
            "reduce_setup": hook,
            "reduce_cleanup": hook,
        },
        {"reduce": CollectSet(), "partition": hook, "map_setup": hook, "map_cleanup": hook},
        {"reduce": None, "map_setup": hook, "map_cleanup": hook, "map_batch": hook},
        {"map": staticmethod(lambda key, value: [])},
        {"reduce": classmethod(lambda cls, key, values: [])},
        {"reduce": lambda self, word, counts, scale=2: []},
        {"__annotations__": {"group_by": int}, "reduce": hook, "group_by": 1},
    ],
)
def test_accepted_hooks(names: dict[str, Any]) -> None:
    """Every valid hook is accepted, in any form that Python calls as a method."""
    cls: Any = type("Mine", (Lines,), {"__module__": __name__, **names})
    cls.check()
    assert {} == cls.parameters()


class OwnInit(Lines):
    """An `__init__` without `super`, and without the parameters."""

    reduce = Sum()
    factor: int = 3

    def __init__(self) -> None:
        self.one = 1

    def map(self, key: Any, value: Any) -> Any:
        self.count("lines")
        yield value, self.one * self.factor


def test_an_init_without_super() -> None:
    """A job with an `__init__` without `super` gets its parameters."""
    answer = run(OwnInit(factor=5), ["a", "b", "a"])  # type: ignore[call-arg]
    assert ({"a": 10, "b": 5}, {"lines": 3}) == (dict(answer.pairs), answer.counters)


def test_an_init_that_could_not_be_called() -> None:
    """An argument of `__init__` that is no parameter is refused."""

    class Needs(Lines):
        def __init__(self, stop: str) -> None:
            self.stop = stop

    class Offers(Lines):
        def __init__(self, stop: str = "the") -> None:
            self.stop = stop

    for job in (Needs, Offers):
        with pytest.raises(
            JobLoadError, match="has the argument `stop`, .*; write a parameter in the class"
        ):
            job.check()


def test_an_init_that_raises() -> None:
    """An error in `__init__` is the author's, with their frame."""

    class Raises(Lines):
        def __init__(self) -> None:
            raise KeyError("no")

    with pytest.raises(UserCodeError, match="__init__ raised KeyError") as caught:
        Raises()
    assert "in __init__" in caught.value.traceback


@pytest.mark.parametrize("name", ["count", "path", "map", "reduce", "status", "group_by"])
def test_an_attribute_over_a_method(name: str) -> None:
    """An attribute that a hook sets over a method of the job is refused with the hook's name."""
    job = Lines()
    check_instance(job, "map_setup")
    setattr(job, name, 0)
    with pytest.raises(UserCodeError, match=f"map_setup set `self.{name}`"):
        check_instance(job, "map_setup")


@pytest.mark.parametrize("name", ["source", "input", "stage", "counters"])
def test_the_engines_state_cannot_be_set(name: str) -> None:
    """An assignment to the engine's state raises."""
    with pytest.raises(
        AttributeError, match=f"`self.{name}` belongs to the engine and cannot be set"
    ):
        setattr(Lines(), name, {})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("group", "name"), "a counter has one name: write self.count('group: name')"),
        (("n", 1.0), "counted in ints, not by a float (1.0)"),
        (("n", True), "not by a bool (True)"),
        ((5,), "a counter's name is a str, not int"),
        (("invalid_utf8",), "belongs to the engine"),
    ],
)
def test_wrong_counts(arguments: Any, named: str) -> None:
    """A counter without a name, or with an amount that is no int, raises."""
    with pytest.raises(TypeError) as caught:
        Lines().count(*arguments)
    assert named in str(caught.value)


def test_a_missing_name_of_another_framework() -> None:
    """A missing method with a name of another framework is explained with ours."""
    with pytest.raises(
        AttributeError, match=r"no attribute 'increment_counter'; write `self.count\(name\)`"
    ):
        Lines().increment_counter("g", "n")
    with pytest.raises(AttributeError, match="no attribute 'nothing'$"):
        _ = Lines().nothing


def test_an_error_in_a_property_of_the_authors() -> None:
    """An error in a property names the missing attribute, not the property."""

    class Typing(Lines):
        @property
        def regex(self) -> Any:
            return self._misspelt

    with pytest.raises(AttributeError, match="no attribute '_misspelt'"):
        _ = Typing().regex
