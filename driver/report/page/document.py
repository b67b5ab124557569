"""All that the page of a run is made of, from the run's records or from a run that goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from driver.forecast.receipt import Receipt
from driver.history.failure import Failure
from driver.history.run_store import DeadLetter, RunStore
from driver.plan.tasks import RunPlan
from driver.report.document import Report
from driver.report.model import RunModel
from driver.report.page.tasks import TaskLine, task_lines
from mapreduce.errors import MapReduceError

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
