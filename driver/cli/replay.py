"""`replay`: runs one task again in this process, under a debugger."""

from __future__ import annotations

import pdb
import sys
from types import TracebackType

from driver.cli.options import Flag
from driver.cli.terminal import say
from mapreduce.errors import MapReduceError, UserCodeError


def replay(
    run: str | None = None,
    task: str | None = None,
    /,
    *,
    debug: bool = True,
    stop_at_start: Flag = False,
    store: str | None = None,
) -> int:
    """Run one task of a run again, under a debugger.

    The task reads its byte ranges with its code in this process. Where the job's code raises, the
    debugger (pdb) opens at that line; `--no-debug` only shows the error. The task's output is
    deleted.

        python -m driver replay
        python -m driver replay run-20261126-120000-brisk-owl map-3 --stop-at-start

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        task: The task, e.g. map-3 or reduce-0 (by default, the one that failed the run).
        debug: Open the debugger where the job's code raises.
        stop_at_start: Open it before the first record already.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.history.failure import failure_of
    from driver.history.replay import first_failure, prepared_replay
    from driver.report.failure import failure_lines
    from driver.targets.prepare import open_runs
    from mapreduce.engine import run_task

    kept = open_runs(store)
    name = kept.resolve(run)
    if task is None:
        name, task = first_failure(kept, name)
    say(f"task      {task} of {name}")
    with prepared_replay(kept, name, task) as again:
        for line in again.reads:
            say(f"reads     {line}")
        if stop_at_start:
            say("stopped before the task; set a breakpoint (b FILE:LINE) and continue (c)")
            pdb.set_trace()
        try:
            result = run_task(again.task, again.context)
        except MapReduceError as exc:
            failure = failure_of(exc, kept.plan(name), kept.storage)
            for text, style in failure_lines(failure):
                say(text, style=style)
            if debug and isinstance(exc, UserCodeError):
                _open_debugger(exc)
            return exc.exit_code
        again.forget(result)
    cost = result.cost
    say(
        f"done      in {cost.seconds:.2f} s, {cost.peak_memory_bytes >> 20} MiB; no error",
        style="green",
    )
    return 0


def _open_debugger(exc: UserCodeError) -> None:
    trace: TracebackType | None = (
        exc.__cause__.__traceback__ if exc.__cause__ else exc.__traceback__
    )
    if not sys.stdin.isatty():
        say("there is no terminal for the debugger; run this command in one, or give --no-debug")
        return
    pdb.post_mortem(trace)
