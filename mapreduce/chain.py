"""Chains: several jobs in one run, each of which reads what the one before it yielded."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias

from mapreduce.aggregate import Sum
from mapreduce.aggregations.written import read, written
from mapreduce.errors import JobLoadError
from mapreduce.job import Job
from mapreduce.user_code.class_names import FOREIGN, check_names, check_texts
from mapreduce.user_code.joins import joined_step
from mapreduce.user_code.parameters import Parametrised, check_parameters, passing
from mapreduce.user_code.settings import OF_A_RUN, SETTINGS, check_settings

Reads = Literal["previous", "given"]


class Reduce(Job):
    """The job of `Step(reduce=Sum())`: passes pairs on, and reduces them. `by` is the aggregation.

    An instance has a class of its own, whose `reduce` the engine reads as that of any job.
    """

    by: str
    reduce = Sum()

    def __new__(cls, *values: Any, **parameters: Any) -> Self:
        """Create an instance whose class has the aggregation."""
        made = super().__new__(cls, *values, **parameters)
        names = {"reduce": read(made.by), "__module__": Reduce.__module__}
        made.__class__ = type(Reduce.__name__, (Reduce,), names)
        return made


@dataclass(frozen=True, slots=True)
class Step:
    """A job of a chain and its input: the previous step's pairs, the run's inputs, or both.

    With both, `self.input` is "previous" for the pairs and the input's name for the inputs.
    `reducers` is the number of its reduce tasks, which wins over that of the job. A step that only
    reduces the previous step's pairs needs no class: `Step(reduce=Sum())`, or a dict as in a job.

    `joins` names an earlier step by its result, or the previous one: for each key its values come
    to `reduce` too, ahead of those that `map` yields. Its parts are merged as they are: they pass
    through no map and no shuffle. So both steps have the same number of reduce tasks, and the
    earlier one yields only keys that it got.
    """

    job: Job = None  # type: ignore[assignment]
    reads: Reads | Sequence[Reads] = "previous"
    reducers: int | None = None
    reduce: InitVar[Any] = None
    joins: Joins = None
    joined: int = field(default=0, init=False)
    """The number of the step that it joins, from 1 on; 0 for none. The engine sets it."""

    def __post_init__(self, reduce: Any) -> None:
        """Make the job of an aggregation; raises `JobLoadError`."""
        if (reduce is None) == (self.job is None):
            raise JobLoadError("a step has a job or an aggregation: Step(job), Step(reduce=Sum())")
        if reduce is not None:
            object.__setattr__(self, "job", Reduce(by=written(reduce)))

    @property
    def sources(self) -> tuple[Reads, ...]:
        """Its inputs, in order."""
        return (self.reads,) if isinstance(self.reads, str) else tuple(self.reads)


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step. A later step can join it: `Step(job, joins=result)`.

    Attributes:
        counters: the sums over all its tasks; a counter that was never used is 0.
        records: the number of its pairs.
        pairs: returns an iterator over the pairs, with their exact types, read from the store one
            by one.
        step: the number of the step, from 1 on. The engine sets it.
    """

    counters: Counter[str]
    records: int
    pairs: Callable[[], Iterator[tuple[Any, Any]]]
    step: int = 0


Joins: TypeAlias = "Literal['previous'] | StepResult | None"


Steps: TypeAlias = Iterable["Job | Step"] | Generator["Job | Step", StepResult, None]


class Chain(Parametrised):
    """Base of a user's chain, which writes `steps`.

    Parameters are those of a job: annotated class attributes. A job that `steps` makes gets the
    chain's parameters that it has too, by name, unless they are given. `steps` returns the jobs of
    the steps, or yields them one by one; then each `yield` returns the step's result, which may
    decide the next step:

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
            ("steps", "files", "requirements", *SETTINGS),
            {*vars(Chain), *vars(Parametrised)} - {"steps", "files", "requirements", *SETTINGS},
            _FOREIGN,
        )
        check_texts(cls.__name__, "files", cls.files)
        check_texts(cls.__name__, "requirements", cls.requirements)
        if cls.steps is Chain.steps:
            raise JobLoadError(
                f"the chain {cls.__name__} has no `steps`; write `def steps(self)` that yields jobs"
            )
        if not callable(cls.steps):
            raise JobLoadError(
                f"`steps` of {cls.__name__} is a {type(cls.steps).__name__}; "
                "write `def steps(self)` that yields jobs"
            )
        if inspect.iscoroutinefunction(cls.steps) or inspect.isasyncgenfunction(cls.steps):
            raise JobLoadError(
                f"`steps` of {cls.__name__} may not be async; write `def steps(self)`"
            )
        check_settings(cls)
        check_parameters(cls)


_OF_A_JOB = "it in the class of a step's job: a chain has only `steps`"
_JOBS_NAMES = (
    "map map_sql map_arrow map_batch reduce combine partition input_format group_by total_order "
    "keep_order columns order_matters "
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

    with user_code(Place("steps")), passing(chain):
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
    done: list[Step] = []
    while True:
        with user_code(Place("steps")), passing(chain):
            try:
                job = steps.send(result) if result is not None else next(steps)
            except StopIteration:
                return
        done.append(_step(job, done))
        given_result = yield done[-1]
        # None from a caller that only looks at the steps
        result = replace(given_result, step=len(done)) if given_result else None


def _step(given: object, done: Sequence[Step]) -> Step:
    """Return the step that follows those that are done.

    Raises:
        JobLoadError: it is not a job, or one that cannot run there.
    """
    number = len(done)
    job = given.job if isinstance(given, Step) else given
    if not isinstance(job, Job):
        raise JobLoadError(
            f"step {number + 1} of the chain is {job!r}, not a job; "
            "yield an instance: `yield Count()`"
        )
    step = given if isinstance(given, Step) else Step(job, "previous" if number else "given")
    _check_step(step.job, number)
    reads_given = number == 0 or "given" in step.sources
    if step.job.passes_on and not step.job.maps_columns and reads_given:
        from mapreduce.user_code.class_check import without_map  # late: it imports Job

        raise without_map(type(step.job))
    _check_step_settings(step, number)
    reads = "given" if number == 0 and step.sources == ("previous",) else step.reads
    found = Step(step.job, reads, step.reducers, joins=step.joins)
    object.__setattr__(found, "joined", joined_step(step, done))
    return found


def _check_step_settings(step: Step, number: int) -> None:
    """Refuse a setting of a step that would have no effect."""
    where = f"step {number + 1} of the chain"
    if step.reducers is not None:
        if type(step.reducers) is not int or step.reducers < 1:
            raise JobLoadError(f"{where} has reducers={step.reducers!r}; write a number from 1 on")
        if step.job.map_only:
            raise JobLoadError(f"{where} has `reducers`, and its job no `reduce`; remove it")
    for name in OF_A_RUN:
        if getattr(step.job, name) is not None:
            raise JobLoadError(
                f"{where}: `{name}` holds for all steps; write it in the chain, "
                f"not in {type(step.job).__name__}"
            )


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
