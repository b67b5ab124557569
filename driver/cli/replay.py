"""`replay`: one task again, here, in a debugger."""

from __future__ import annotations

import pdb
import sys
from types import TracebackType
from typing import Annotated

from cyclopts import Parameter

from driver.cli.terminal import say
from driver.text import TRACEBACK_LIMIT, cut_middle, shown
from mapreduce.errors import MapReduceError, UserCodeError


def replay(
    run: str,
    task: str,
    /,
    *,
    debug: bool = True,
    stop_at_start: Annotated[bool, Parameter(negative="")] = False,
    store: str | None = None,
) -> int:
    """Carries out one task of a run again in this process, with the very range and the very code that it had.

    Where the job's code raises, the debugger (pdb) opens at that line; `--no-debug` only shows what is raised. What the
    task writes is taken away again.

    Args:
        run: The run's id, or how it begins or ends.
        task: The task, e.g. map-3 or reduce-0.
        debug: Open the debugger where the job's code raises.
        stop_at_start: Open it before the first record already.
        store: Folder or URL of the store (by default .mapreduce in this folder).
    """
    from driver.history.replay import prepared_replay
    from driver.targets.prepare import open_runs
    from mapreduce.engine import run_task

    kept = open_runs(store)
    with prepared_replay(kept, kept.resolve(run), task) as again:
        for line in again.reads:
            say(f"reads     {line}")
        if stop_at_start:
            say("stopped before the task; set a breakpoint (b FILE:LINE) and continue (c)")
            pdb.set_trace()
        try:
            result = run_task(again.task, again.context)
        except UserCodeError as exc:
            say(f"error: {exc}", style="red")
            say(cut_middle(exc.traceback.rstrip(), TRACEBACK_LIMIT))
            if exc.place:
                say(f"in the record at {shown(exc.place)}")
            if exc.record:
                say(f"record: {shown(exc.record)}")
            if debug:
                _open_debugger(exc)
            return 1
        except MapReduceError as exc:
            say(f"error: {exc}", style="red")
            return 1
        again.forget(result)
    cost = result.cost
    say(
        f"done      in {cost.seconds:.2f} s, {cost.peak_memory_bytes >> 20} MiB; nothing was raised",
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
