"""The runs of a store, as `runs` lists them: two lists of the store answer for a thousand of them.

A run that is over is in the index. Only one that goes on, or that an older version has made, is
read from its records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from driver.history.run_index import RunSummary
from driver.history.run_names import (
    chain_of,
    is_run_name,
    is_superseded,
    newest_epochs,
    second_of,
)
from driver.history.run_store import RecordedState, RunStore
from mapreduce.errors import MapReduceError, ObjectMissing
from mapreduce.wire import keys

READERS = 16
"""Runs whose records are read at the same time."""


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run; `why` says why it is unreadable. What is not known is None or "".

    Attributes:
        run: its id.
        state: its state.
        created: when it was planned, in seconds since the epoch.
        seconds: how long it took, or has taken so far.
        usd: its price in dollars.
        inputs: how many objects it reads.
        size_bytes: their size.
        target: where it runs.
        job: the name of its job.
        why: why it is unreadable.
    """

    run: str
    state: RecordedState
    created: float = 0.0
    seconds: float | None = None
    usd: float | None = None
    inputs: int = 0
    size_bytes: int = 0
    target: str = ""
    job: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunList:
    """The last runs of a store, oldest first, and how many earlier ones there are."""

    runs: tuple[ListedRun, ...]
    earlier: int


def list_runs(kept: RunStore, limit: int | None, now: float, *, steps: bool = False) -> RunList:
    """Return the last runs of a store.

    Args:
        kept: the store.
        limit: how many; None for all.
        now: the time, in seconds since the epoch.
        steps: whether the steps of chains are listed too.
    """
    entered = kept.entered()
    names = chosen({*kept.runs(), *entered}, entered, steps=steps)
    shown = names if limit is None else names[max(0, len(names) - limit) :]

    def listed(name: str) -> ListedRun | None:
        summary = entered.get(name)
        return _read(kept, name, now) if summary is None else _of_summary(name, summary)

    with ThreadPoolExecutor(READERS) as pool:
        found = [run for run in pool.map(listed, shown) if run is not None]
    return RunList(tuple(found), len(names) - len(shown))


def chosen(
    names: Iterable[str], entered: Mapping[str, RunSummary], *, steps: bool
) -> Sequence[str]:
    """Return the names to list, in the order of time: a name begins with its second, and the index
    has the exact time. A run that a later epoch goes on with is left out.
    """
    names = list(names)
    newest = newest_epochs(names)
    wanted = [
        name for name in names if (steps or not chain_of(name)) and not is_superseded(name, newest)
    ]
    return sorted(wanted, key=lambda name: (second_of(name), _created(name, entered), name))


def _created(name: str, entered: Mapping[str, RunSummary]) -> float:
    summary = entered.get(name)
    return summary.created if summary else float("inf")


def _of_summary(name: str, summary: RunSummary) -> ListedRun:
    return ListedRun(
        run=name,
        state=summary.state,
        created=summary.created,
        seconds=summary.seconds,
        usd=summary.usd,
        inputs=summary.inputs,
        size_bytes=summary.size_bytes,
        target=summary.target,
        job=summary.job,
    )


def _read(kept: RunStore, name: str, now: float) -> ListedRun | None:
    """Return a run from its records; None for a folder without a plan. A run that cannot be read
    does not hide the others.
    """
    if not is_run_name(name):
        if not _has_plan(kept, name):
            return None
        why = "this is not the name of a run; another program made this folder"
        return ListedRun(run=name, state="unreadable", why=why)
    try:
        plan = kept.plan(name)
    except MapReduceError as exc:
        if not _has_plan(kept, name):
            return None
        return ListedRun(run=name, state="unreadable", why=str(exc))
    state = kept.state(name, now)
    return ListedRun(
        run=name,
        state=state,
        created=plan.created,
        seconds=max(0.0, now - plan.created) if state == "running" else None,
        inputs=len(plan.inputs),
        size_bytes=sum(given.size for given in plan.inputs),
        target=plan.target,
        job=plan.job.name,
    )


def _has_plan(kept: RunStore, name: str) -> bool:
    try:
        kept.storage.head(keys.run_file(kept.store, name, "plan.json"))
    except ObjectMissing:
        return False
    except MapReduceError:
        return True
    return True
