"""The page that every run leaves, however it ends: `report.html`, beside its other records."""

from __future__ import annotations

import asyncio

from driver.forecast.receipt import Receipt
from driver.history.failure import Failure
from driver.history.run_store import RunStore
from driver.plan.events import EventLog
from driver.plan.tasks import RunPlan
from driver.report.document import Report
from driver.report.page.document import PAGE, document_of

_UNWRITTEN = f"the run's {PAGE} could not be written"


class PageRecord:
    """Writes the page of a run, in a thread, while what the run has started ends.

    The page is for people: a failed write is noted, and does not change how the run ends.

    Args:
        runs: the store.
        log: has the run's events.
    """

    def __init__(self, runs: RunStore, log: EventLog) -> None:
        self._runs = runs
        self._log = log
        self._writing: asyncio.Task[None] | None = None

    def begin(
        self,
        plan: RunPlan,
        report: Report | None = None,
        *,
        failure: Failure | None = None,
        receipt: Receipt | None = None,
    ) -> None:
        """Begin to write the page of a run that is over."""
        writing = asyncio.to_thread(
            self._log.contain, _UNWRITTEN, self._write, plan, report, failure, receipt
        )
        self._writing = asyncio.create_task(writing)

    async def written(self) -> None:
        """Wait until the page is written, if it has begun to be."""
        if self._writing is not None:
            await self._writing

    def _write(
        self,
        plan: RunPlan,
        report: Report | None,
        failure: Failure | None,
        receipt: Receipt | None,
    ) -> None:
        from driver.report.page.render import page  # jinja2 takes its time to import

        events = tuple(self._log.events)
        document = document_of(
            plan, self._runs, events, report=report, failure=failure, receipt=receipt
        )
        self._runs.write(plan.run, PAGE, page(document).encode())
