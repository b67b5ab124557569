"""Reads what the pages show from the runs of a store; remembers what does not change any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from driver.history.cancelling import ask_to_end
from driver.history.run_index import RunSummary
from driver.history.run_names import chain_of, epoch_of, is_run_name, is_superseded, newest_epochs
from driver.history.run_store import FIRST_EPOCH, RunStore
from driver.plan.tasks import RunPlan
from driver.program.command_name import COMMAND
from driver.web.overview import RunRow, before
from driver.web.run_reader import ENDED, RunReader, comparison_of, page_of
from driver.web.watch import LEAST_PAUSE_S, Read
from mapreduce.errors import InputError, MapReduceError, UsageError

S3_PAUSE_S = 5.0
"""Between two readings of a store in S3: the requests of an open page cost a cent in ten hours."""
ROWS_S = 2.0
"""How long the rows of the runs are good for all pages, in readings."""
LOOKS_AT_ONCE = 16


@dataclass
class KeptRuns:
    """The runs of a store, as the pages need them.

    Attributes:
        runs: the records.
        clock: seconds since the epoch.
    """

    runs: RunStore
    clock: Callable[[], float] = time.time
    _rows: list[RunRow] = field(default_factory=list)
    _read_at: float = float("-inf")
    _ended: dict[str, RunRow] = field(default_factory=dict)
    _plans: dict[str, RunPlan] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Return the store's URL."""
        return self.runs.store

    @property
    def pause_s(self) -> float:
        """Return how long to wait between two readings, in seconds."""
        return S3_PAUSE_S if self.url.startswith("s3://") else LEAST_PAUSE_S

    def rows(self) -> list[RunRow]:
        """Return a row for each run but the steps of chains; pages that ask at once share one
        reading.
        """
        with self._lock:
            if abs(self.clock() - self._read_at) >= self.pause_s * ROWS_S:
                self._rows = self._read_rows()
                self._read_at = self.clock()
            return self._rows

    def reader(self, run: str) -> Read:
        """Return what reads the sections of a run again and again; raises `InputError`."""
        return RunReader(self.runs, self._known(run), self.clock)

    def page(self, run: str, form_token: str) -> str:
        """Return the page of a run; raises `InputError`."""
        name = self._known(run)
        earlier = before(self.rows(), name)
        return page_of(self.runs, name, form_token, self.clock(), earlier)

    def comparison(self, first: str, second: str) -> str:
        """Return the page that compares two runs; raises `InputError`."""
        return comparison_of(self.runs, self._known(first), self._known(second), self.clock())

    def cancel(self, run: str) -> None:
        """Ask the driver of a run to end it; raises `InputError`."""
        name = self._known(run)
        try:
            ask_to_end(self.runs, chain_of(name) or name)
        except UsageError as exc:
            raise InputError(str(exc)) from exc

    def _known(self, run: str) -> str:
        """Return the newest epoch of a run; no path leaves the folder of runs."""
        if not is_run_name(run):
            raise InputError(f"there is no run {run!r} in {self.url}; see: {COMMAND} runs")
        if run.endswith(FIRST_EPOCH):
            return run.removesuffix(FIRST_EPOCH)
        newest = {epoch_of(row.run)[0]: row.run for row in self.rows()}
        return newest.get(run, run)

    def _read_rows(self) -> list[RunRow]:
        entered = self.runs.entered()
        known = self.runs.runs()
        newest = newest_epochs(known)
        names = [
            name
            for name in known
            if is_run_name(name) and not chain_of(name) and not is_superseded(name, newest)
        ]
        with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
            return list(pool.map(lambda name: self._row(name, entered.get(name)), names))

    def _row(self, name: str, summary: RunSummary | None) -> RunRow:
        if summary is not None:
            return _row_of(name, summary)
        if name in self._ended:
            return self._ended[name]
        try:
            plan = self._plans.get(name) or self.runs.plan(name)
            self._plans[name] = plan
            state = self.runs.state(name, self.clock())
        except MapReduceError as exc:
            return RunRow(run=name, state="unreadable", why=str(exc))
        row = RunRow(
            run=name,
            state=state,
            job=plan.job.name,
            target=plan.target,
            created=plan.created,
            seconds=max(0.0, self.clock() - plan.created) if state == "running" else None,
            inputs=len(plan.inputs),
            size_bytes=sum(given.size for given in plan.inputs),
        )
        if state in ENDED:
            self._ended[name] = row
            del self._plans[name]
        return row


def _row_of(name: str, summary: RunSummary) -> RunRow:
    return RunRow(
        run=name,
        state=summary.state,
        job=summary.job,
        target=summary.target,
        created=summary.created,
        seconds=summary.seconds,
        usd=summary.usd,
        inputs=summary.inputs,
        size_bytes=summary.size_bytes,
    )
