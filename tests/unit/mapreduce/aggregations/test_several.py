"""Several aggregations of a key at once give what each gives alone."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Aggregation, CollectList, Count, First, Job, Max, Mean, Quantile, Sum, TopK
from mapreduce.aggregate import NotAggregable
from mapreduce.aggregations.several import Several
from mapreduce.engine.native_collector import combines
from mapreduce.engine.states import allows_states
from mapreduce.errors import JobLoadError, UserCodeError
from mapreduce.testing import plain_answer, run
from tests.unit.mapreduce.test_aggregate import merged_result, randoms

THREE: dict[str, Aggregation[Any]] = {"n": Count(), "mean": Mean(), "median": Quantile(0.5)}


class Lengths(Job):
    """How long the words of each first letter are."""

    reduce = THREE

    def map(self, _: int, line: str) -> Any:
        for word in line.split():
            yield word[0], len(word)


class Fields(Job):
    """Each aggregation takes an entry of its own."""

    reduce: ClassVar[Any] = {"longest": Max(), "lines": CollectList()}

    def map(self, offset: int, line: str) -> Any:
        yield "all", {"lines": line, "longest": len(line)}


@given(st.lists(st.integers(-9, 9) | st.floats(-9, 9), min_size=1, max_size=60), randoms)
def test_the_result_is_that_of_each_alone(values: list[float], chance: random.Random) -> None:
    """One value goes to all of them, and the result has their names in their order."""
    found = merged_result(Several(THREE), values, chance)
    assert list(THREE) == list(found)
    assert {name: each.plain(values) for name, each in THREE.items()} == found


def test_a_job_with_a_dict_of_aggregations() -> None:
    """A run and the definition agree, and the engine sees one aggregation."""
    answer = run(Lengths(), ["a abc bb b", "ab ccc"], splits=2)
    assert {"n": 3, "mean": 2.0, "median": 2.0} == answer["a"]
    definition = plain_answer(Lengths(), [("x", b"a abc bb b\nab ccc\n")])
    assert sorted(answer.pairs) == [(key, value) for key, value in definition]
    assert isinstance(Lengths().aggregation, Several)
    assert not combines(Several(THREE))


def test_a_dict_gives_each_its_entry() -> None:
    """A value that is a dict has an entry for each name."""
    assert {"longest": 3, "lines": ["abc", "d"]} == run(Fields(), ["abc", "d"], splits=2)["all"]


def test_a_dict_without_a_name_is_refused_with_its_record() -> None:
    """The message names the entry that is missing."""

    class Wrong(Fields):
        """Forgets one."""

        def map(self, offset: int, line: str) -> Any:
            yield "all", {"lines": line}

    with pytest.raises(UserCodeError, match=r"has no entry for 'longest'") as caught:
        run(Wrong(), ["abc"])
    assert "abc" in caught.value.record


def test_an_error_names_the_aggregation() -> None:
    """A value that one of them cannot take is refused with its name."""
    with pytest.raises(NotAggregable, match=r"not str: 'x'.*\(in 'mean' of `reduce`\)"):
        Several(THREE).create("x")


def test_what_holds_of_one_holds_of_several() -> None:
    """It grows, keeps values and heeds their order if one does; states are kept if all may be."""
    both = Several({"a": Count(), "b": Quantile(0.5)})
    assert (True, True, False) == (both.grows, both.keeps_values, both.order_matters)
    assert allows_states(Several({"a": Count(), "b": Sum()}))
    assert not allows_states(Several({"a": Count(), "b": TopK(2)}))
    assert Several({"a": Count(), "b": First()}).order_matters
    assert not Several({"a": Count()}).keeps_values


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": Count}, r"'n' is a class; write Count\(\)"),
        ({"n": sum}, r"'n' is a function; write Sum\(\)"),
        ({1: Count()}, "the name 1, which is not a str"),
        ({"n": 3}, "'n' is 3, not an aggregation"),
        ({}, "is empty"),
    ],
)
def test_a_dict_of_anything_else_is_refused(given: Any, message: str) -> None:
    """The message says what to write."""
    odd: Any = type("Odd", (Lengths,), {"reduce": given})
    with pytest.raises(JobLoadError, match=message):
        odd.check()
