"""`runs` and `clean`: the runs of a store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from driver.cli.options import Fields, Flag
from driver.cli.terminal import answer, print_document, say, terminal_width
from driver.cli.values import age_s
from driver.history.run_names import is_run_name
from driver.program.command_name import COMMAND
from driver.text import bytes_text, plural, shown, storable
from mapreduce.errors import UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.history.cleaning import Cleaning
    from driver.history.run_list import ListedRun
    from driver.history.run_list import RunList as ListedRuns

RUNS_SHOWN = 20
"""Rows of the table of runs, the most that a terminal shows at once."""


class RunLine(Message):
    """One run, as `runs` lists it; `why` says why it is unreadable.

    `seconds` is how long it took, or has taken so far, and `usd` its price; None where unknown.
    """

    run_id: str
    state: str
    created: float = 0.0
    target: str = ""
    job: str = ""
    inputs: int = 0
    size_bytes: int = 0
    why: str = ""
    seconds: float | None = None
    usd: float | None = None


class RunList(Message):
    """The runs of a store; `earlier` counts those that are left out."""

    store: str
    runs: tuple[RunLine, ...]
    earlier: int = 0


def runs(
    *,
    limit: int | None = None,
    all_runs: Annotated[bool, Parameter(name="--all", negative="")] = False,
    steps: Flag = False,
    json: Flag = False,
    fields: Fields = None,
    store: str | None = None,
) -> int:
    """List the last runs, the newest at the end.

    A run is running, done, failed, interrupted (by Ctrl-C or `cancel`), paused (at its limit of
    dollars) or lost: its driver has gone without a word. One that cannot be read is listed too,
    with the reason. Columns for which the terminal has no place are left out.

        python -m driver runs
        python -m driver runs --all --store s3://bucket

    Args:
        limit: How many runs to list (by default 20, and with --json all).
        all_runs: List all runs.
        steps: List the steps of chains too.
        json: Print one JSON document on standard output.
        fields: Of the document, only these fields, with commas between; implies --json.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.history.run_list import list_runs
    from driver.targets.prepare import open_runs

    if limit is not None and (limit < 1 or all_runs):
        raise UsageError(
            "--limit and --all exclude each other; give one of them"
            if all_runs
            else f"--limit {limit}: must be at least 1"
        )
    kept, as_json = open_runs(store), json or fields is not None
    most = None if all_runs else limit or (None if as_json else RUNS_SHOWN)
    found = list_runs(kept, most, time.time(), steps=steps)
    if as_json:
        lines = tuple(map(_run_line, found.runs))
        print_document(RunList(store=kept.store, runs=lines, earlier=found.earlier), fields)
    elif not found.runs:
        say(
            f"there is no run in {kept.store} yet; "
            f"start one with: {COMMAND} run --input FILE{kept.option}"
        )
    else:
        _show_runs(found, kept.option)
    return 0


def _show_runs(found: ListedRuns, option: str) -> None:
    from driver.cli.run_table import table_lines

    for line in table_lines(found.runs, terminal_width()):
        answer(line)
    for run in found.runs:
        if run.why:
            say(f"unreadable: {shown(run.run)}: {run.why}", style="yellow")
    if found.earlier:
        say(f"and {plural(found.earlier, 'earlier run')}; see all: {COMMAND} runs --all{option}")


def _run_line(run: ListedRun) -> RunLine:
    values = {name: getattr(run, name) for name in RunLine.model_fields if name != "run_id"}
    return RunLine(run_id=storable(run.run), **values)


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
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
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
