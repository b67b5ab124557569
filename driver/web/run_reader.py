"""Reads a run for its live page: each event once, and at its end the records that the file has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from driver.history.run_events import Follower
from driver.history.run_store import RecordedState, RunStore
from driver.plan.tasks import RunPlan
from driver.report.fold import RunFold
from driver.report.page.document import RunDocument, known, read_document, with_records
from driver.report.page.render import SECTIONS, Live, data_element, section, title, whole_page
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


def page_of(runs: RunStore, run: str, form_token: str, now: float) -> str:
    """Return the page of a run as it is now, with what makes it live; raises `InputError`."""
    document = read_document(runs, run, now)
    sections = dict(sections_of(document))
    over = document.model.state in ENDED and _settled(runs, document, now)
    top = pages.Top(
        store=runs.store,
        run=run,
        job=document.plan.job.name,
        shown_id=shown_id(sections),
        form_token=form_token,
        cancelled=not over and runs.record(run, "cancel") is not None,
        over=over,
    )
    del sections[TITLE]
    data = sections.pop("data")
    live = Live(pages.live_head(), pages.live_top(top))
    return whole_page(title(document), list(sections.values()), data, live)


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
        over = state in ENDED and _settled(self.runs, document, now)
        return Reading(sections_of(document), over)

    def _document(self, state: RecordedState, now: float) -> RunDocument:
        model = self._fold.model(now, known(state))
        return with_records(self._plan, self.runs, model, state)


def _settled(runs: RunStore, document: RunDocument, now: float) -> bool:
    """Return whether a run that has ended has written its last records."""
    model = document.model
    if now - (model.ended if model.ended is not None else model.now) > SETTLED_S:
        return True
    run = document.plan.run
    return runs.record(run, "events.jsonl") is not None and (
        model.state != "done" or (document.report is not None and run in runs.entered())
    )
