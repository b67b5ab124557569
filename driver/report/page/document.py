"""All that the page of a run is made of, from the run's records or from a run that goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from msgspec.structs import replace
from pydantic import BaseModel, ValidationError

from driver.forecast.receipt import Receipt
from driver.history.failure import Failure
from driver.history.run_events import events_of
from driver.history.run_store import DeadLetter, RecordedState, RunStore
from driver.plan.events import Event
from driver.plan.run_state import RunState
from driver.plan.tasks import RunPlan
from driver.report.document import Report
from driver.report.fold import run_model
from driver.report.model import RunModel
from driver.report.page.tasks import TaskLine, task_lines
from mapreduce.errors import MapReduceError

PAGE = "report.html"
"""The name of the page among the records of a run."""
LETTERS_SHOWN = 50
Record = TypeVar("Record", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class RunDocument:
    """A run, as its page shows it.

    Attributes:
        plan: the run's plan.
        model: what its events say.
        report: of a run that is done.
        failure: of a run that failed.
        receipt: what it has used, beside its forecast.
        letters: the first of the records that it has set aside.
    """

    plan: RunPlan
    model: RunModel
    report: Report | None = None
    failure: Failure | None = None
    receipt: Receipt | None = None
    letters: Sequence[DeadLetter] = ()

    @cached_property
    def tasks(self) -> list[TaskLine]:
        """The run's tasks that are done, run or have failed, in the order of their stages."""
        return task_lines(self.model, self.report)

    @property
    def began(self) -> float:
        """When the user's command began, in seconds since the epoch.

        A report knows it; else it is the time of the run's first event.
        """
        model = self.model
        if self.report is None or model.ended is None:
            return model.started
        return min(model.started, model.ended - self.report.timings.end_to_end)

    @property
    def seconds(self) -> float:
        """The seconds from the command to the run's end, or until now."""
        return max(0.0, self.model.now - self.began)


def read_document(runs: RunStore, run: str, now: float | None = None) -> RunDocument:
    """Return what the records of a run say; a record that is missing or unreadable is left out.

    Args:
        runs: the store.
        run: the run's id.
        now: seconds since the epoch, for a run that is not over; by default the time now.

    Raises:
        InputError: there is no such run, or its plan cannot be read.
    """
    plan, now = runs.plan(run), time.time() if now is None else now
    state = runs.state(run, now)
    return with_records(plan, runs, run_model(events_of(runs, run), now, known(state)), state)


def known(state: RecordedState) -> RunState | None:
    """Return the state that the records say; None when they cannot be read: the events say it."""
    return None if state == "unreadable" else state


def with_records(
    plan: RunPlan, runs: RunStore, model: RunModel, state: RecordedState
) -> RunDocument:
    """Return the document of a model, with what the run's records say of its end."""
    done = state == "done"
    return _document(
        plan,
        runs,
        model,
        _record(runs, plan.run, "report.json", Report) if done else None,
        None if done or state == "running" else runs.failure(plan.run),
        _record(runs, plan.run, "receipt.json", Receipt) if state != "running" else None,
    )


def document_of(
    plan: RunPlan,
    runs: RunStore,
    happened: Iterable[Event],
    *,
    now: float | None = None,
    state: RunState | None = None,
    report: Report | None = None,
    failure: Failure | None = None,
    receipt: Receipt | None = None,
) -> RunDocument:
    """Return the document of a run's events, with the records that its user has at hand.

    Args:
        plan: the run's plan.
        runs: the store, which is read only where the events tell of dead letters.
        happened: its events in their order.
        now: seconds since the epoch, for a run that is not over.
        state: where the records know better than the events.
        report: of a run that is done.
        failure: of a run that failed.
        receipt: of a run that is over.
    """
    model = run_model(happened, time.time() if now is None else now, state)
    return _document(plan, runs, model, report, failure, receipt)


def _document(
    plan: RunPlan,
    runs: RunStore,
    model: RunModel,
    report: Report | None,
    failure: Failure | None,
    receipt: Receipt | None,
) -> RunDocument:
    # a run whose driver was killed before its first event has a plan only
    model = replace(model, run=plan.run, job=plan.job.name, target=plan.target)
    return RunDocument(
        plan=plan,
        model=model,
        report=report,
        failure=failure,
        receipt=receipt,
        letters=_letters(runs, plan, model),
    )


def _record(runs: RunStore, run: str, name: str, kind: type[Record]) -> Record | None:
    try:
        found = runs.record(run, name)
        return None if found is None else kind.model_validate_json(found)
    except (ValidationError, MapReduceError):
        return None


def _letters(runs: RunStore, plan: RunPlan, model: RunModel) -> Sequence[DeadLetter]:
    """Return the first dead letters; none are looked for where the events tell of none."""
    if not model.skipped:
        return ()
    with suppress(MapReduceError):
        return [
            letter
            for step in runs.steps_of(plan)
            for letter in runs.dead_letters(step, LETTERS_SHOWN)
        ][:LETTERS_SHOWN]
    return ()
