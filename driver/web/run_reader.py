"""Reads a run for its live page: each event once, and at its end the records that the file has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from driver.history.run_events import Follower
from driver.history.run_store import RecordedState, RunStore
from driver.plan.tasks import RunPlan
from driver.report.fold import RunFold
from driver.report.page.compare import compared
from driver.report.page.document import RunDocument, known, read_document, with_records
from driver.report.page.render import (
    SECTIONS,
    Live,
    comparison_page,
    data_element,
    section,
    title,
    whole_page,
)
from driver.web import pages
from driver.web.changes import TITLE, Sections, shown_id
from driver.web.watch import Reading

ENDED = ("done", "failed", "interrupted", "paused")
SETTLED_S = 10.0
"""How long after a run's end its last records may come."""


def sections_of(document: RunDocument) -> Sections:
    """Return the sections of a run's page, those of the file, and its data and title."""
    found = {name: section(name, document) for name in SECTIONS}
    return {**found, "data": data_element(document), TITLE: pages.title_element(title(document))}


def page_of(runs: RunStore, run: str, form_token: str, now: float, before: str = "") -> str:
    """Return the page of a run as it is now, with what makes it live.

    Args:
        runs: the store.
        run: the run's id.
        form_token: of the form that cancels the run.
        now: seconds since the epoch.
        before: an earlier run, which the page leads to a comparison with; "" for none.

    Raises:
        InputError: there is no such run, or its plan cannot be read.
    """
    document = read_document(runs, run, now)
    sections = dict(sections_of(document))
    model = document.model
    ended_s = now - (model.now if model.ended is None else model.ended)
    over = model.state in ENDED and _settled(runs, document, ended_s)
    top = pages.Top(
        store=runs.store,
        run=run,
        job=document.plan.job.name,
        shown_id=shown_id(sections),
        form_token=form_token,
        cancelled=not over and runs.record(run, "cancel") is not None,
        over=over,
        cancellable=model.state != "planned" or runs.awaits_driver(run),
        before=before,
    )
    del sections[TITLE]
    data = sections.pop("data")
    live = Live(pages.live_head(), pages.live_top(top))
    return whole_page(title(document), list(sections.values()), data, live)


def comparison_of(runs: RunStore, first: str, second: str, now: float) -> str:
    """Return the page that compares two runs as they are now; raises `InputError`."""
    documents = [read_document(runs, run, now) for run in (first, second)]
    job = documents[1].plan.job.name
    live = Live(pages.live_head(), pages.live_top(pages.Top(store=runs.store, run=second, job=job)))
    return comparison_page(compared(*documents), job, live)


@dataclass
class RunReader:
    """Reads one run again and again.

    Args:
        runs: the store.
        run: the run's id.
        clock: seconds since the epoch.
    """

    runs: RunStore
    run: str
    clock: Callable[[], float]
    _fold: RunFold = field(default_factory=RunFold)
    _seen_ended: float | None = None

    def __post_init__(self) -> None:
        self._plan: RunPlan = self.runs.plan(self.run)
        self._events = Follower(self.runs, self.run)

    def __call__(self) -> Reading:
        """Return the sections as they are now."""
        now = self.clock()
        # the state first: what happens after it is in the next reading
        state = self.runs.state(self.run, now)
        for event in self._events.take():
            self._fold(event)
        document = self._document(state, now)
        return Reading(sections_of(document), self._is_over(document, now))

    def _is_over(self, document: RunDocument, now: float) -> bool:
        if document.model.state not in ENDED:
            self._seen_ended = None
            return False
        if self._seen_ended is None:
            self._seen_ended = now
        return _settled(self.runs, document, now - self._seen_ended)

    def _document(self, state: RecordedState, now: float) -> RunDocument:
        model = self._fold.model(now, known(state))
        return with_records(self._plan, self.runs, model, state)


def _settled(runs: RunStore, document: RunDocument, ended_s: float) -> bool:
    """Return whether a run that has ended has written its last records.

    Args:
        runs: the store.
        document: the run.
        ended_s: for how many seconds it is known to be over.
    """
    if ended_s > SETTLED_S:
        return True
    run = document.plan.run
    return runs.record(run, "events.jsonl") is not None and (
        document.model.state != "done" or (document.report is not None and run in runs.entered())
    )
