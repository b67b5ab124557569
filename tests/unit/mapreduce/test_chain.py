"""The steps of a chain run one after another, each with the result of the previous one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from mapreduce import Chain, CollectList, Count, Job, Step, StepResult, Sum, TopK
from mapreduce.chain import Reduce, Steps, steps_of
from mapreduce.check.reference import plain_answer
from mapreduce.errors import JobLoadError
from mapreduce.formats.json_values import jsonable
from mapreduce.testing import run


class Halve(Job):
    """Halves numbers, and counts those that are not zero."""

    reduce = Sum()

    def map(self, key: Any, value: Any) -> Iterator[tuple[str, int]]:
        number = int(value) // 2
        self.count("left", int(number > 0))
        yield "n", number


class Listed(Chain):
    """Two steps that are known in advance."""

    def steps(self) -> Steps:
        return [Halve(), Halve()]


class UntilZero(Chain):
    """As many steps as needed."""

    least: int = 1

    def steps(self) -> Generator[Job, StepResult, None]:
        left = self.least
        while left >= self.least:
            result = yield Halve()
            left = result.counters["left"]


class Letters(Job):
    """The number of each word."""

    reduce = Sum()

    def map(self, key: Any, value: Any) -> Iterator[tuple[Any, int]]:
        for word in str(value).split():
            yield (word[0], word), 1


class ByLetter(Job):
    """Only reduces: the words of each letter."""

    group_by = 1

    def reduce(self, letter: str, counts: Iterator[int]) -> Iterator[tuple[str, Any]]:
        yield letter, [(self.key[1], count) for count in counts]


class Total(Job):
    """Only reduces."""

    reduce = CollectList()


class ReduceOnly(Chain):
    """Steps without `map`, after one with."""

    def steps(self) -> Steps:
        return [Letters(), ByLetter(), Total()]


def test_a_step_without_map_passes_pairs_on() -> None:
    """A step that reads pairs needs no `map`; a run and the definition agree."""
    expected = {"a": [[["ab", 1], ["ac", 2]]], "b": [[["b", 1]]]}
    assert expected == dict(run(ReduceOnly(), ["ab b ac", "ac"], splits=2).pairs)
    definition = plain_answer(ReduceOnly(), [("u", b"ab b ac\nac\n")])
    assert expected == {key: jsonable(value) for key, value in definition}


@pytest.mark.parametrize(
    "steps",
    [
        lambda: [Total()],
        lambda: [Letters(), Step(Total(), reads=("previous", "given"))],
    ],
)
def test_a_step_that_reads_the_inputs_needs_a_map(steps: Any) -> None:
    """A first step, and one that reads the given inputs again, are refused without `map`."""

    class Steps(Chain):
        def steps(self) -> Any:
            return steps()

    with pytest.raises(JobLoadError, match="the job Total has no `map`; write"):
        run(Steps(), ["a"])


def test_a_job_alone_needs_a_map() -> None:
    """Lines are not passed on as pairs."""
    with pytest.raises(JobLoadError, match="the job Total has no `map`; write"):
        run(Total(), ["a"])


class WithoutClasses(Chain):
    """Steps that are only an aggregation."""

    k: int = 2

    def steps(self) -> Steps:
        return [
            Words(),
            Step(reduce={"n": Count(), "best": TopK(self.k)}, reducers=2),
            Step(reduce=CollectList()),
        ]


class Words(Job):
    """The length of each word, by its first letter."""

    def map(self, key: Any, value: Any) -> Iterator[tuple[Any, int]]:
        for word in str(value).split():
            yield word[0], len(word)


@pytest.mark.parametrize("k", [1, 2])
def test_a_step_needs_no_class(k: int) -> None:
    """An aggregation is a step; a run and the definition agree."""
    expected = {
        "a": [{"n": 3, "best": [3, 2][:k]}],
        "b": [{"n": 1, "best": [1]}],
    }
    assert expected == dict(run(WithoutClasses(k=k), ["ab b abc", "a"], splits=2).pairs)
    assert expected == dict(plain_answer(WithoutClasses(k=k), [("u", b"ab b abc\na\n")]))


def test_a_step_without_a_class_reaches_its_task_by_its_parameters() -> None:
    """A task makes the same job from the class's name and the parameters alone."""
    job = Step(reduce=TopK(3)).job
    assert ("mapreduce.chain", "Reduce") == (type(job).__module__, type(job).__name__)
    again = Reduce(**job.parameter_values())
    assert isinstance(again.aggregation, TopK)
    assert 3 == again.aggregation.k


@pytest.mark.parametrize("options", [{}, {"reduce": Sum(), "job": Halve()}])
def test_a_step_is_a_job_or_an_aggregation(options: dict[str, Any]) -> None:
    """Neither and both are refused."""
    with pytest.raises(JobLoadError, match="a step has a job or an aggregation"):
        Step(**options)


def test_listed_steps() -> None:
    """The first step reads the given inputs, and each later one the previous pairs."""
    steps = list(steps_of(Listed()))
    assert [("given",), ("previous",)] == [step.sources for step in steps]
    assert [("n", 2)] == plain_answer(Listed(), [("u", b"9\n")])


def test_steps_that_depend_on_results() -> None:
    """`steps` continues only after the previous step has its result."""
    assert [("n", 0)] == plain_answer(UntilZero(), [("u", b"37\n")])
    steps = steps_of(UntilZero())
    next(steps)
    with pytest.raises(StopIteration):
        steps.send(StepResult(Counter(left=0), 1, lambda: iter(())))


def test_a_step_may_read_both() -> None:
    """A step can read the previous pairs and the given inputs, each under its name."""

    class Names(Job):
        def map(self, key: Any, value: Any) -> Iterator[tuple[str, Any]]:
            yield self.input, value

    class Both(Chain):
        def steps(self) -> Steps:
            yield Halve()
            yield Step(Names(), reads=("previous", "given"))

    assert [("", "9"), ("previous", 4)] == plain_answer(Both(), [("u", b"9\n")])


@pytest.mark.parametrize("wrong", [Halve, "Halve", None])
def test_a_step_that_is_no_job(wrong: Any) -> None:
    """A step that is no instance of a job is refused with the remedy."""

    class Wrong(Chain):
        def steps(self) -> Steps:
            return [Halve(), wrong]

    steps = steps_of(Wrong())
    next(steps)
    with pytest.raises(
        JobLoadError, match="step 2 of the chain is .*, not a job; yield an instance"
    ):
        next(steps)


def test_an_attribute_that_is_no_parameter() -> None:
    """An attribute that `steps` sets is refused unless it is a parameter."""

    class Scaled(Halve):
        scale: int = 1

    class Setting(Chain):
        name: str = "scale"

        def steps(self) -> Steps:
            job = Scaled()
            setattr(job, self.name, 5)
            yield job

    (step,) = steps_of(Setting())
    assert {"scale": 5} == step.job.parameter_values()
    with pytest.raises(
        JobLoadError, match="sets `other` of Scaled, which does not reach .* make it a parameter"
    ):
        next(steps_of(Setting(name="other")))


@pytest.mark.parametrize("wrong", [None, "jobs", Halve, 3])
def test_steps_that_are_no_list(wrong: Any) -> None:
    """`steps` must return jobs, and a single job counts as a list of one."""
    with pytest.raises(
        JobLoadError, match="`steps` of Given returned .* yield jobs, or return a list"
    ):
        next(steps_of(given_steps(wrong)))
    assert 1 == len(list(steps_of(given_steps(Halve()))))


def given_steps(returned: Any) -> Chain:
    """Return a chain whose `steps` returns this value."""

    class Given(Chain):
        def steps(self) -> Steps:
            return returned  # type: ignore[no-any-return]

    return Given()


def test_no_steps() -> None:
    """A chain without `steps` is refused with the remedy."""
    with pytest.raises(JobLoadError, match="has no `steps`"):
        type("Empty", (Chain,), {}).check()  # type: ignore[attr-defined]


def test_steps_must_be_a_method() -> None:
    """A list in its place is refused with the word to write."""

    class Listed(Chain):
        steps = [Count()]  # type: ignore[assignment]  # noqa: RUF012

    with pytest.raises(JobLoadError, match=r"`steps` of Listed is a list; write `def steps"):
        Listed.check()
