"""A chain's steps come one by one, each after the result of the one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from mapreduce import Chain, Job, Step, StepResult, Sum
from mapreduce.chain import Steps, steps_of
from mapreduce.check.reference import plain_answer
from mapreduce.errors import JobLoadError


class Halve(Job):
    """Halves numbers, and counts those that are not zero yet."""

    reduce = Sum()

    def map(self, key: Any, value: Any) -> Iterator[tuple[str, int]]:
        number = int(value) // 2
        self.count("left", int(number > 0))
        yield "n", number


class Listed(Chain):
    """Two steps, known beforehand."""

    def steps(self) -> Steps:
        return [Halve(), Halve()]


class UntilZero(Chain):
    """As many steps as it takes."""

    least: int = 1

    def steps(self) -> Generator[Job, StepResult, None]:
        left = self.least
        while left >= self.least:
            result = yield Halve()
            left = result.counters["left"]


def test_listed_steps() -> None:
    """The first step reads the given inputs, each later one its predecessor."""
    steps = list(steps_of(Listed()))
    assert [("given",), ("previous",)] == [step.sources for step in steps]
    assert [("n", 2)] == plain_answer(Listed(), [("u", b"9\n")])


def test_steps_that_depend_on_results() -> None:
    """A step is asked for only when the one before it has its result."""
    assert [("n", 0)] == plain_answer(UntilZero(), [("u", b"37\n")])
    steps = steps_of(UntilZero())
    next(steps)
    with pytest.raises(StopIteration):
        steps.send(StepResult(Counter(left=0), 1, lambda: iter(())))


def test_a_step_may_read_both() -> None:
    """The pairs of the step before it, and the given inputs, each under its name."""

    class Names(Job):
        def map(self, key: Any, value: Any) -> Iterator[tuple[str, Any]]:
            yield self.input, value

    class Both(Chain):
        def steps(self) -> Steps:
            yield Halve()
            yield Step(Names(), reads=("previous", "given"))

    assert [("", "9"), ("previous", 4)] == plain_answer(Both(), [("u", b"9\n")])


@pytest.mark.parametrize("wrong", [Halve, "Halve", None])
def test_what_is_no_job(wrong: Any) -> None:
    """A class, a name or nothing in place of an instance is refused with what to write."""

    class Wrong(Chain):
        def steps(self) -> Steps:
            return [Halve(), wrong]

    steps = steps_of(Wrong())
    next(steps)
    with pytest.raises(
        JobLoadError, match="step 2 of the chain is .*, not a job; yield an instance"
    ):
        next(steps)


def test_what_would_not_reach_the_tasks() -> None:
    """An attribute that `steps` sets, and that is no parameter, is refused; a parameter may be set
    so.
    """

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
    """What `steps` returns must be jobs; one job alone is taken for a list of one."""
    with pytest.raises(
        JobLoadError, match="`steps` of Given returned .* yield jobs, or return a list"
    ):
        next(steps_of(given_steps(wrong)))
    assert 1 == len(list(steps_of(given_steps(Halve()))))


def given_steps(returned: Any) -> Chain:
    """A chain whose `steps` returns something."""

    class Given(Chain):
        def steps(self) -> Steps:
            return returned  # type: ignore[no-any-return]

    return Given()


def test_no_steps() -> None:
    """A chain without steps says what to write."""
    with pytest.raises(JobLoadError, match="has no `steps`"):
        type("Empty", (Chain,), {}).check()  # type: ignore[attr-defined]
