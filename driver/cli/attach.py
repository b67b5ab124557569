"""`attach` and `cancel`: a run that another shell, or another machine, carries out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from driver.cli.options import Fields, Flag, PlaceOptions, PriceOptions
from driver.cli.terminal import answer, answers_yes, can_answer, print_document, say
from driver.program.command_name import COMMAND
from driver.report.standard_error import console
from mapreduce.errors import KINDS, LimitReached, MapReduceError, RunStopped
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.history.run_store import RecordedState, RunStore

CANCEL_S = 30.0
"""How long `cancel` waits for the driver: it looks every few seconds, and ends its tasks then."""
POLL_S = 1.0
ASLEEP = (
    "its driver has gone without a word. If its machine only sleeps, attach again when it is awake"
)

NOT_BEGUN = "no driver carries it out yet; start it with: "


def attach(run: str | None = None, /, *, store: str | None = None) -> int:
    """Show the progress of a run that goes on elsewhere, and its end, as `run` does.

    From any shell and any machine that reaches the store. Ctrl-C ends only the watching. The exit
    code is that of the run, and 1 for a run that is lost. A run that was started with --detach can
    go on after it is lost: its next driver is shown too, and without one, this command offers to go
    on here.

        python -m driver attach
        python -m driver attach brisk-owl --store s3://bucket

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.history.run_names import chain_of
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    name = kept.resolve(run)
    name = chain_of(name) or name
    try:
        name, state = _watched(kept, name)
    except KeyboardInterrupt:
        say(f"{name} goes on; watch it again: {COMMAND} attach {name}{kept.option}", style="yellow")
        return RunStopped.exit_code
    if state == "lost" and kept.has_command(name):
        return _go_on(kept, name, store)
    return _show_end(kept, name, state)


def _watched(kept: RunStore, name: str) -> tuple[str, RecordedState]:
    """Show a run until it is over or lost for good; return its newest epoch, and its state."""
    from driver.history.watch import watch
    from driver.report.console import RunView
    from driver.targets.background import begun, successor
    from driver.targets.plan_records import begins_until, retries_of

    while True:
        view = RunView(console())
        state = begun(kept, name, begins_until(kept, name), time.sleep)
        view.start()
        try:
            for seen in watch(kept, name):
                state = seen.state
                for event in seen.events:
                    view(event)
        finally:
            view.stop()
        if state != "lost":
            return name, state
        newest = successor(kept, name, retries_of(kept, name), time.sleep)
        if newest == name:
            return name, state
        say(f"{name} has lost its driver; another one goes on: {newest}", style="yellow")
        name = newest


def _go_on(kept: RunStore, name: str, store: str | None) -> int:
    """Go on with a lost run in this process, if the user wants it; return the exit code."""
    if can_answer():
        say(f"{name} is lost: {ASLEEP}", style="yellow")
        if answers_yes("go on with it here? [y/N] "):
            from driver.cli.run import run

            return run(price=PriceOptions(plan=name), place=PlaceOptions(store=store))
        return 1
    from driver.targets.plan_records import command_of_plan

    say(f"{name} is lost; go on with it: {command_of_plan(kept, name)}", style="yellow")
    return 1


def _show_end(kept: RunStore, name: str, state: RecordedState) -> int:
    """Show how a run has ended, as `run` does; return its exit code."""
    if state == "done":
        _show_report(kept, name)
        return 0
    if state == "failed" and (failure := kept.failure(name)):
        from driver.report.failure import failure_lines

        for text, style in failure_lines(failure):
            say(text, style=style)
        return KINDS.get(failure.kind, MapReduceError).exit_code
    ended = kept.ended(name)
    if ended is not None:
        say(f"{name} is {ended.state}: {ended.why}", style="yellow")
        stopped: type[MapReduceError] = RunStopped if state == "interrupted" else LimitReached
        return stopped.exit_code
    from driver.targets.plan_records import command_of_plan

    why = f"{NOT_BEGUN}{command_of_plan(kept, name)}" if state == "planned" else ASLEEP
    say(f"{name} is {state}: {why}", style="yellow")
    return 1


def _show_report(kept: RunStore, name: str) -> None:
    from driver.cli.run import answer_summary, next_lines, page_lines
    from driver.history.run_store import parsed
    from driver.report.document import Report
    from driver.report.page.document import PAGE

    data, waited = kept.record(name, "report.json"), 0.0
    while data is None and waited < CANCEL_S / 3:  # the driver writes it last
        time.sleep(POLL_S)
        waited += POLL_S
        data = kept.record(name, "report.json")
    if data is None:
        say(f"{name} is done; its report is not written: {COMMAND} status {name}{kept.option}")
        return
    report = parsed(Report, data, f"the report of {name}")
    page = page_lines(kept, report) if kept.has(name, PAGE) else []  # an older run has none
    answer_summary(report, [*next_lines(kept, report), *page])


class Cancelled(Message):
    """The answer of `cancel`: the state of the run before, and after at most half a minute."""

    run_id: str
    before: str
    state: str


def cancel(
    run: str | None = None,
    /,
    *,
    json: Flag = False,
    fields: Fields = None,
    store: str | None = None,
) -> int:
    """End a run that goes on, from any shell and any machine that reaches the store.

    Its driver sees the wish within seconds, ends the tasks that run, and records that the run was
    interrupted. What is done is kept: the same command goes on from there. A run whose driver has
    not begun yet is interrupted at once.

        python -m driver cancel
        python -m driver cancel brisk-owl --store s3://bucket

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        json: Print one JSON document on standard output.
        fields: Of the document, only these fields, with commas between; implies --json.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.history.cancelling import ask_to_end
    from driver.history.run_names import chain_of
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    name = kept.resolve(run)
    name = chain_of(name) or name
    before = ask_to_end(kept, name)
    state = before if before == "lost" else _awaited(kept, name)
    if json or fields is not None:
        print_document(Cancelled(run_id=name, before=before, state=state), fields)
    else:
        answer(_said(name, state))
    return 0


def _awaited(kept: RunStore, name: str) -> RecordedState:
    """Return the state of a run once it is over, or after some time."""
    until = time.monotonic() + CANCEL_S
    while (state := kept.state(name)) == "running" and time.monotonic() < until:
        time.sleep(POLL_S)
    return state


def _said(name: str, state: RecordedState) -> str:
    if state == "lost":
        return (
            f"{name} is lost: no driver carries it out. If its machine only sleeps, it ends the "
            "run when it is awake"
        )
    if state == "running":
        return f"{name} still runs; its driver ends it once it has seen the wish"
    return f"{name}: {state}"
