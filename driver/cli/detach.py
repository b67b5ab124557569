"""`run --detach`: a run that goes on in the background of this machine."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING

from driver.cli.options import PlaceOptions, PriceOptions, ResultOptions
from driver.cli.plan import kept_plan
from driver.cli.terminal import answer, no_output_of_jobs, print_document, say
from driver.program.command_name import COMMAND
from mapreduce.errors import MapReduceError, UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.plan.config import RunConfig
    from driver.targets.prepare import Prepared


class Detached(Message):
    """The answer of `run --detach`: the run's id, and the file with what its driver prints."""

    run_id: str
    log: str


def detach(
    prepared: Prepared,
    config: RunConfig,
    place: PlaceOptions,
    result: ResultOptions,
    retries: int,
) -> int:
    """Write the plan of a run, start its driver in the background, and print the run's id.

    Raises:
        UsageError: the run cannot go on without this command.
    """
    from driver.targets.background import STARTS_S, check_detachable, start_driver

    if result.output is not None:
        raise UsageError(
            "--output: a run in the background writes no file; when it is done, write it with: "
            f"{COMMAND} result RUN --output {result.output}"
        )
    check_detachable(prepared)
    with no_output_of_jobs():
        run = kept_plan(
            prepared, config, place, result, stored=True, retries=retries, starts_s=STARTS_S
        ).run
    log = start_driver(prepared.runs, run, retries)
    option = prepared.runs.option
    say(f"{run} goes on in the background; watch it: {COMMAND} attach {run}{option}")
    say(f"end it: {COMMAND} cancel {run}{option}")
    if result.as_document:
        print_document(Detached(run_id=run, log=str(log)), result.fields)
    else:
        answer(run)
    return 0


def keep(run: str, /, *, retries: int, store: str | None = None) -> int:
    """Carry out a plan, and go on with it when its driver is lost.

    Args:
        run: The plan's id.
        retries: How often to go on.
        store: Folder or URL of the store.
    """
    from driver.targets.background import keep_going
    from driver.targets.prepare import open_runs

    # process 1 of a container ignores a signal that it does not handle
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return keep_going(open_runs(store), run, retries, sleep=time.sleep, say=say)


def drive(run: str, /, *, store: str | None = None) -> int:
    """Carry out a plan as its only driver, and record why if it cannot be begun.

    Args:
        run: The plan's id.
        store: Folder or URL of the store.
    """
    from driver.cli.run import run as carry_out
    from driver.history.failure import failure_of
    from driver.targets.background import record_no_begin
    from driver.targets.prepare import open_runs

    try:
        return carry_out(price=PriceOptions(plan=run), place=PlaceOptions(store=store))
    except MapReduceError as exc:
        if exc.ends == "failed":
            kept = open_runs(store)
            record_no_begin(kept, run, failure_of(exc, kept.plan(run), kept.storage))
        raise
