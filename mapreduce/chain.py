"""Several jobs behind each other in one run: each step reads what the one before it has yielded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from mapreduce.errors import JobLoadError
from mapreduce.job import Job
from mapreduce.parameters import Parametrised

Reads = Literal["previous", "given"]


@dataclass(frozen=True, slots=True)
class Step:
    """A job of a chain, and what it reads: the pairs of the step before it, the inputs that the run was given, or both.

    With both, `self.input` is "previous" for the one and the input's own name for the other.
    """

    job: Job
    reads: Reads | Sequence[Reads] = "previous"

    @property
    def sources(self) -> tuple[Reads, ...]:
        """What it reads, in order."""
        return (self.reads,) if isinstance(self.reads, str) else tuple(self.reads)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step has come to.

    Attributes:
        counters: the counters of all its tasks; one that was never counted is 0.
        records: how many pairs it has yielded.
        pairs: gives them, with their exact types; they are read from the store, one after another.
    """

    counters: Counter[str]
    records: int
    pairs: Callable[[], Iterator[tuple[Any, Any]]]


Steps: TypeAlias = Iterable["Job | Step"] | Generator["Job | Step", StepResult, None]


class Chain(Parametrised):
    """Subclass this, and write `steps`. Parameters are those of a job: annotated class attributes with defaults.

    `steps` returns the jobs of the steps, or yields them one by one; then each `yield` gives the step's result, which
    may decide what comes next:

        def steps(self):
            moved = 1
            while moved:
                result = yield Iteration(damping=self.damping)
                moved = result.counters["moved"]

    The first step reads the given inputs. The chain's result is that of its last step. Steps must depend on nothing but
    the parameters and the results, so that a run can be continued.
    """

    files: ClassVar[Sequence[str]] = ()

    def steps(self) -> Steps:
        """The jobs, in order."""
        raise NotImplementedError

    @classmethod
    def check(cls) -> None:
        """Refuses a class that cannot run; raises `JobLoadError`."""
        if cls.steps is Chain.steps:
            raise JobLoadError(f"the chain {cls.__name__} has no `steps`; write `def steps(self)` that yields jobs")


def steps_of(chain: Chain) -> Generator[Step, StepResult, None]:
    """A chain's steps, one by one; each is told its result before the next is asked for.

    Raises:
        JobLoadError: what the author gives is no job.
    """
    given = chain.steps()
    if not isinstance(given, Generator):
        for number, job in enumerate(given):
            yield _step(job, number)
        return
    result: StepResult | None = None
    number = 0
    while True:
        try:
            job = given.send(result) if result is not None else next(given)
        except StopIteration:
            return
        result = yield _step(job, number)
        number += 1


def _step(job: object, number: int) -> Step:
    step = (
        job if isinstance(job, Step) else Step(job, "previous" if number else "given") if isinstance(job, Job) else None
    )
    if step is None:
        raise JobLoadError(f"step {number + 1} of the chain is {job!r}, not a job; yield an instance: `yield Count()`")
    if number == 0 and step.sources == ("previous",):
        step = Step(step.job, "given")
    return step
