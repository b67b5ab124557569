"""`runs`, `status` and `clean`: the runs of a store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.table import Column, Table

from driver.cli.options import Flag
from driver.cli.terminal import add_row, answer, print_document, say, show
from driver.cli.values import age_s
from driver.history.failure import Failure
from driver.history.run_names import is_run_name
from driver.history.run_store import RunStore
from driver.report.failure import failure_lines
from driver.text import bytes_text, plural, shown, storable
from mapreduce.errors import MapReduceError, UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.history.cleaning import Cleaning


class RunLine(Message):
    """One run, as `runs` lists it; `why` says why it is unreadable."""

    run_id: str
    state: str
    created: float = 0.0
    target: str = ""
    job: str = ""
    inputs: int = 0
    size_bytes: int = 0
    why: str = ""


class RunList(Message):
    """All runs of a store."""

    store: str
    runs: tuple[RunLine, ...]


class RunStatus(Message):
    """How far a run is: tasks done and in all, by stage.

    `splits` is None until the split stage is done. `failed` is the record of a failure.
    """

    run_id: str
    state: str
    splits: int | None
    partitions: int
    maps_done: int
    reduces_done: int
    failure: str = ""
    failed: Failure | None = None
    result_urls: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


def runs(*, json: Flag = False, store: str | None = None) -> int:
    """List the runs, oldest first.

    A run that cannot be read is listed too, with the reason.

        python -m driver runs
        python -m driver runs --store s3://bucket

    Args:
        json: Print one JSON document on standard output.
        store: Folder or URL of the store (by default .mapreduce in this folder).
    """
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    lines = [_run_line(kept, name) for name in kept.runs()]
    if json:
        print_document(RunList(store=kept.store, runs=tuple(lines)))
        return 0
    if not lines:
        say(
            f"there is no run in {kept.store} yet; "
            "start one with: python -m driver run --input FILE"
        )
        return 0
    run_id = Column("run", no_wrap=True)
    table = Table(run_id, "state", "when", "target", "job", "input", box=None, pad_edge=False)
    for line in lines:
        volume = f"{plural(line.inputs, 'file')}, {bytes_text(line.size_bytes)}"
        cells = (_when(line.created), line.target, line.job, volume if line.inputs else "")
        add_row(table, line.run_id, line.state, *cells)
    show(table)
    for line in lines:
        if line.why:
            say(f"unreadable: {shown(line.run_id)}: {line.why}", style="yellow")
    return 0


def _run_line(kept: RunStore, name: str) -> RunLine:
    """Return the line of one run; a run that cannot be read does not hide the others."""
    if not is_run_name(name):
        why = "this is not the name of a run; another program made this folder"
        return RunLine(run_id=storable(name), state="unreadable", why=why)
    try:
        plan = kept.plan(name)
    except MapReduceError as exc:
        return RunLine(run_id=name, state="unreadable", why=str(exc))
    return RunLine(
        run_id=name,
        state=kept.state(name),
        created=plan.created,
        target=plan.target,
        job=plan.job.name,
        inputs=len(plan.inputs),
        size_bytes=sum(given.size for given in plan.inputs),
    )


def _when(created: float) -> str:
    """Return the local time; "" for a time outside the calendar."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(created)) if created else ""
    except (ValueError, OverflowError, OSError):
        return ""


def status(run: str | None = None, /, *, json: Flag = False, store: str | None = None) -> int:
    """Show how far a run is, and why it failed if it did.

    A run is done, failed or unfinished.

        python -m driver status
        python -m driver status brisk-owl --json

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        json: Print one JSON document on standard output.
        store: Folder or URL of the store (by default .mapreduce in this folder).
    """
    from driver.history.reuse import FinishedTasks
    from driver.plan.tasks import map_tasks, split_task
    from driver.targets.prepare import open_runs
    from mapreduce.wire.messages import SplitResult

    kept = open_runs(store)
    name = kept.resolve(run)
    plan, success, results = kept.plan(name), kept.success(name), kept.results(name)
    maps_done, split = len(results.maps), results.split
    if not maps_done and not plan.chain:
        finished = FinishedTasks(kept.storage, kept.store)
        found = finished.find([split_task(plan)]).get(0)
        if isinstance(found, SplitResult):
            maps_done, split = len(finished.find(map_tasks(plan, found))), found
    failure = None if success else kept.failure(name)
    document = RunStatus(
        run_id=name,
        state=kept.state(name),
        splits=len(split.splits) if split else None,
        partitions=plan.partitions,
        maps_done=maps_done,
        reduces_done=len(results.reduces),
        failure=failure.message if failure else "",
        failed=failure,
        result_urls=tuple(url for url, _, _ in success.parts) if success else (),
        steps=tuple(f"{step}: {kept.state(step)}" for step in kept.steps(name)),
    )
    if json:
        print_document(document)
        return 0
    answer(f"{name}: {document.state}")
    for step in document.steps:
        answer(f"  {step}")
    if not plan.chain:
        maps = "not planned yet" if split is None else f"{maps_done} of {len(split.splits)} done"
        answer(f"  maps     {maps}")
        answer(f"  reduces  {document.reduces_done} of {document.partitions} done")
    for url in document.result_urls:
        answer(f"  result   {url}")
    for text, style in failure_lines(failure) if failure else []:
        answer(text, style=style)
    return 0


def clean(
    *run: str,
    all_runs: Flag = False,
    older_than: str | None = None,
    results: Flag = False,
    everything: Flag = False,
    dry_run: Flag = False,
    yes: Flag = False,
    store: str | None = None,
) -> int:
    """Delete what runs have written; without --yes, only show what would be deleted.

    Of a run, chunk files and map outputs are deleted; a later run does those tasks again.

        python -m driver clean --all-runs
        python -m driver clean --older-than 30d --dry-run
        python -m driver clean run-20261126-120000-brisk-owl --results --yes

    Args:
        run: The runs, by id.
        all_runs: Every run.
        older_than: What is older, e.g. 30d: intermediate data and losing attempts of old runs,
            finished tasks, and uploaded inputs and code that no run needs which stays. At least 1d.
        results: Their results and records too, not only chunk files and map outputs.
        everything: All that was ever written to the store: uploaded inputs and finished tasks as
            well.
        dry_run: Only show what would be deleted, with --yes too.
        yes: Delete, instead of saying what would be deleted.
        store: Folder or URL of the store (by default .mapreduce in this folder).
    """
    from driver.history.cleaning import carry_out, plan_cleaning, plan_emptying
    from driver.history.expiry import plan_expiry
    from driver.targets.prepare import open_runs

    before = None if older_than is None else time.time() - _age_s(older_than)
    if not (run or all_runs or everything or before is not None):
        raise UsageError(
            "nothing to clean; name runs, or give --all-runs, --older-than or --everything"
        )
    if before is not None and (run or all_runs or everything):
        raise UsageError("--older-than: is for the whole store; give it without other runs")
    kept = open_runs(store)
    if before is not None:
        cleaning = plan_expiry(kept, before, results=results)
    elif everything:
        cleaning = plan_emptying(kept)
    else:
        names = list(filter(is_run_name, kept.runs())) if all_runs else kept.resolve_each(run)
        cleaning = plan_cleaning(kept, names, results=results)
    what = _show_cleaning(cleaning, kept.store, by_folder=dry_run)
    if dry_run or not yes:
        say(f"would delete {what} from {kept.store}; do it with --yes")
        return 0
    carry_out(cleaning, kept)
    say(f"deleted {what} from {kept.store}")
    return 0


def _show_cleaning(cleaning: Cleaning, store: str, *, by_folder: bool) -> str:
    """Show what stays and why, and the sums of each folder; return the sum of all."""
    from driver.history import cleaning as history

    for url in cleaning.strange:
        say(f"not deleted, its name has a control character: {shown(url)}", style="yellow")
    for note in cleaning.notes:
        say(note, style="yellow")
    for folder, (count, size) in history.by_folder(cleaning, store).items() if by_folder else ():
        say(f"  {folder + '/':<8} {plural(count, 'object')}, {bytes_text(size)}")
    return f"{plural(len(cleaning.objects), 'object')}, {bytes_text(cleaning.size_bytes)}"


def _age_s(text: str) -> float:
    """Return the age of `--older-than`; raises `UsageError`."""
    from driver.history.expiry import LEAST_AGE_S

    age = age_s("--older-than", text)
    if age < LEAST_AGE_S:
        raise UsageError(f"--older-than {text}: at least 1d, so that no run that goes on is meant")
    return age
