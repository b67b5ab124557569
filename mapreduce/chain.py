"""Chains: several jobs in one run, each of which reads what the one before it yielded."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from mapreduce.errors import JobLoadError
from mapreduce.job import Job
from mapreduce.user_code.class_names import FOREIGN, check_names, check_texts
from mapreduce.user_code.parameters import Parametrised, check_parameters

Reads = Literal["previous", "given"]


@dataclass(frozen=True, slots=True)
class Step:
    """A job of a chain and its input: the previous step's pairs, the run's inputs, or both.

    With both, `self.input` is "previous" for the pairs and the input's name for the inputs.
    """

    job: Job
    reads: Reads | Sequence[Reads] = "previous"

    @property
    def sources(self) -> tuple[Reads, ...]:
        """Its inputs, in order."""
        return (self.reads,) if isinstance(self.reads, str) else tuple(self.reads)


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step.

    Attributes:
        counters: the sums over all its tasks; a counter that was never used is 0.
        records: the number of its pairs.
        pairs: returns an iterator over the pairs, with their exact types, read from the store one
            by one.
    """

    counters: Counter[str]
    records: int
    pairs: Callable[[], Iterator[tuple[Any, Any]]]


Steps: TypeAlias = Iterable["Job | Step"] | Generator["Job | Step", StepResult, None]


class Chain(Parametrised):
    """Base of a user's chain, which writes `steps`.

    Parameters are those of a job: annotated class attributes with defaults. `steps` returns the
    jobs of the steps, or yields them one by one; then each `yield` returns the step's result, which
    may decide the next step:

        def steps(self):
            moved = 1
            while moved:
                result = yield Iteration(damping=self.damping)
                moved = result.counters["moved"]

    The first step reads the given inputs. The chain's result is that of its last step. Steps must
    depend only on the parameters and the results, so that a run can be continued.
    """

    files: ClassVar[Sequence[str]] = ()
    requirements: ClassVar[Sequence[str]] = ()

    def steps(self) -> Steps:
        """Return or yield the jobs, in order."""
        raise NotImplementedError

    @classmethod
    def check(cls) -> None:
        """Refuse a class that cannot run, or would silently differ from what its author wrote.

        Raises:
            JobLoadError: the class is refused; the message says what to write.
        """
        check_names(
            cls,
            Chain,
            ("steps", "files", "requirements"),
            {*vars(Chain), *vars(Parametrised)} - {"steps", "files", "requirements"},
            _FOREIGN,
        )
        check_texts(cls.__name__, "files", cls.files)
        check_texts(cls.__name__, "requirements", cls.requirements)
        if cls.steps is Chain.steps:
            raise JobLoadError(
                f"the chain {cls.__name__} has no `steps`; write `def steps(self)` that yields jobs"
            )
        if inspect.iscoroutinefunction(cls.steps) or inspect.isasyncgenfunction(cls.steps):
            raise JobLoadError(
                f"`steps` of {cls.__name__} may not be async; write `def steps(self)`"
            )
        check_parameters(cls)


_OF_A_JOB = "it in the class of a step's job: a chain has only `steps`"
_JOBS_NAMES = (
    "map map_batch reduce combine partition input_format group_by total_order keep_order columns "
    "order_matters "
    "map_setup map_cleanup reduce_setup reduce_cleanup"
).split()
_FOREIGN = {name: word for name, word in FOREIGN.items() if name != "steps"} | dict.fromkeys(
    _JOBS_NAMES, _OF_A_JOB
)


def step_after(steps: Generator[Step, StepResult, None], result: StepResult | None) -> Step | None:
    """Return the step that follows one with this result, the first one for None, or None at the
    end.
    """
    try:
        return next(steps) if result is None else steps.send(result)
    except StopIteration:
        return None


def steps_of(chain: Chain) -> Generator[Step, StepResult, None]:
    """Yield a chain's steps one by one; the caller sends each result before the next step.

    Raises:
        JobLoadError: the author's `steps` yields something that is not a job.
        UserCodeError: the author's `steps` raised.
    """
    # imported late: writing a chain does not need the engine
    from mapreduce.user_code.calls import Place, user_code

    with user_code(Place("steps")):
        given = chain.steps()
    if isinstance(given, Job | Step):
        given = [given]
    if given is None or isinstance(given, str | type) or not isinstance(given, Iterable):
        raise JobLoadError(
            f"`steps` of {type(chain).__name__} returned {given!r}; "
            "yield jobs, or return a list of them"
        )
    # a list gets no results: they are sent to generators only
    steps: Generator[Any, Any, None] = (
        given if isinstance(given, Generator) else (job for job in given)
    )
    result: StepResult | None = None
    number = 0
    while True:
        with user_code(Place("steps")):
            try:
                job = steps.send(result) if result is not None else next(steps)
            except StopIteration:
                return
        result = yield _step(job, number)
        number += 1


def _step(given: object, number: int) -> Step:
    step = given if isinstance(given, Step) else Step(given, "previous" if number else "given")  # type: ignore[arg-type]
    if not isinstance(step.job, Job):
        raise JobLoadError(
            f"step {number + 1} of the chain is {step.job!r}, not a job; "
            "yield an instance: `yield Count()`"
        )
    _check_step(step.job, number)
    if number == 0 and step.sources == ("previous",):
        step = Step(step.job, "given")
    return step


def _check_step(job: Job, number: int) -> None:
    """Refuse a step whose class cannot run, or with attributes that do not reach the tasks."""
    cls = type(job)
    cls.check()
    as_in_a_task = cls(**job.parameter_values())
    if unsaid := sorted(vars(job).keys() - vars(as_in_a_task).keys() - set(cls.parameters())):
        raise JobLoadError(
            f"step {number + 1} of the chain sets `{unsaid[0]}` of {cls.__name__}, which does not "
            f"reach the tasks; make it a parameter: `{unsaid[0]}: int = 0` in the class, and "
            f"`{cls.__name__}({unsaid[0]}=...)`"
        )
