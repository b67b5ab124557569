"""Required parameters, parameters that a chain passes on, and values of every type as JSON."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import pathlib
from typing import Any, Literal

import pytest

from mapreduce import Chain, Count, Job
from mapreduce.chain import Steps, steps_of
from mapreduce.errors import ParameterError
from mapreduce.testing import plain_answer, run
from mapreduce.user_code.parameters import check_required, parameters_as_json, parse_parameters


class Matching(Job):
    """Has a required parameter, and one with a default."""

    pattern: str
    most: int = 3
    reduce = Count()

    def map(self, key: Any, value: Any) -> Any:
        yield value[: self.most], 1


class Cut(Job):
    """Has a required parameter that its chain has too."""

    least: int
    reduce = Count()

    def __init__(self, **_: Any) -> None:
        self.seen = self.least

    def map(self, key: Any, value: Any) -> Any:
        yield str(value)[: self.seen], 1


class Passing(Chain):
    """Passes `least` on to both steps, and gives the second another."""

    least: int = 2
    listed: bool = False

    def steps(self) -> Steps:
        if self.listed:
            return [Cut(), Cut(least=1)]
        return (each for each in (Cut(), Cut(least=1)))


class Colour(enum.Enum):
    """An enum, as a parameter's type."""

    RED = "red"


def test_a_required_parameter_is_asked_for() -> None:
    """Without it, the message has the option to write, before anything runs."""
    wanted = r"Matching needs --param pattern=\.\.\. \(`pattern: str` has no default"
    for refused in (Matching, lambda: check_required(Matching, {"most": 2})):
        with pytest.raises(ParameterError, match=wanted):
            refused()
    assert {"pattern": "a", "most": 3} == Matching(pattern="a").parameter_values()
    assert {"pattern": "x"} == parse_parameters(Matching, {"pattern": "x"})


def test_all_that_is_missing_is_named() -> None:
    """Two required parameters are asked for together; a subclass may give a default."""

    class Two(Matching):
        other: int

    class Given(Two):
        other = 4
        pattern = "p"

    with pytest.raises(ParameterError, match=r"needs --param pattern=\.\.\. --param other=\.\.\."):
        Two()
    assert {"pattern": "p", "most": 3, "other": 4} == Given().parameter_values()


@pytest.mark.parametrize("listed", [False, True])
def test_a_chain_passes_its_parameters_by_name(listed: bool) -> None:
    """A step has the chain's value unless its own is given, and it is in the step's parameters."""
    steps = steps_of(Passing(least=3, listed=listed))
    first = next(steps).job
    assert ({"least": 3}, 3) == (first.parameter_values(), first.seen)
    chain = Passing(least=3, listed=listed)
    assert [("2", 1)] == run(chain, ["abcd", "abce"]).pairs
    assert [("2", 1)] == plain_answer(chain, [("u", b"abcd\nabce\n")])


def test_nothing_is_passed_on_after_the_steps() -> None:
    """Outside `steps`, a job has its own parameters alone."""
    run(Passing(), ["ab"])
    with pytest.raises(ParameterError, match="Cut needs --param least"):
        Cut()


def test_a_chain_with_another_type_is_refused() -> None:
    """The message says that the chain passes the parameter on, and what to write."""

    class Odd(Chain):
        least: str = "x"

        def steps(self) -> Steps:
            return [Cut()]

    with pytest.raises(ParameterError, match=r"the chain passes on .* wants int, not 'x'.*least="):
        run(Odd(), ["ab"])


@pytest.mark.parametrize(
    ("kind", "text", "default"),
    [
        (datetime.date, "2021-02-03", datetime.date(2020, 1, 1)),
        (datetime.datetime, "2021-02-03T10:00:00+02:00", datetime.datetime(2020, 1, 1)),
        (datetime.time, "10:00", datetime.time(1)),
        (datetime.timedelta, "PT3H", datetime.timedelta(1)),
        (decimal.Decimal, "0.10", decimal.Decimal("1.50")),
        (pathlib.Path, "a/b", pathlib.Path("c")),
        (Colour, "red", Colour.RED),
        (dict[str, datetime.date], '{"a": "2020-01-01"}', {}),
        (frozenset[int], "[2, 1]", frozenset([3])),
        (tuple[float, ...], "[1, 2.5]", (math.inf,)),
        (float, "-inf", math.inf),
        (float | None, "inf", None),
        (Literal["a", "b"], "b", "a"),
    ],
)
def test_values_of_every_type_travel(kind: Any, text: str, default: Any) -> None:
    """A default and a value of --param are the same after JSON, of any type that JSON lacks."""
    job: Any = type(
        "Typed",
        (Job,),
        {"__annotations__": {"p": kind}, "p": default, "map": Matching.map, "__module__": __name__},
    )
    job.check()
    for made in (job(), job(**parse_parameters(job, {"p": text}))):
        values = json.loads(json.dumps(made.parameter_values(), allow_nan=False))
        assert made.p == job(**values).p
        assert values == job(**values).parameter_values()


class _Mine(Job):
    low: int = 1
    day: datetime.date = datetime.date(2024, 1, 1)
    names: frozenset[str] = frozenset()

    def map(self, key: Any, value: Any) -> Any:
        yield value, 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {}),
        ({"low": 3}, {"low": 3}),
        ({"day": datetime.date(2024, 2, 3)}, {"day": "2024-02-03"}),
        ({"day": "2024-02-03"}, {"day": "2024-02-03"}),
        ({"names": {"b", "a"}}, {"names": ["a", "b"]}),
    ],
)
def test_values_become_json(values: dict[str, Any], expected: dict[str, Any]) -> None:
    """A value is held as the JSON that `--param` would give; only those that are given."""
    assert expected == parameters_as_json(_Mine, values)


@pytest.mark.parametrize(
    ("values", "named"),
    [({"lo": 3}, "no parameter 'lo'"), ({"low": "x"}, "low of _Mine wants int")],
)
def test_wrong_values_are_refused(values: dict[str, Any], named: str) -> None:
    """An unknown name and a value of a wrong type are refused."""
    with pytest.raises(ParameterError, match=named):
        parameters_as_json(_Mine, values)
