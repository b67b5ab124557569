"""`run`: a job from Python, by the way that the command `run` takes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Unpack

from driver.api.driving import drive
from driver.api.failures import shortened
from driver.api.jobs import GivenJob, JobOrName, given_job
from driver.api.options import Inputs, Options, config_of
from driver.api.progress import TickingView, view_of
from driver.api.result import Result
from driver.api.submitted import Submitted
from driver.forecast.limit import check_limit
from driver.plan.config import RunConfig, check_retries
from driver.plan.target import WantedTarget
from driver.targets import prefork, submitting
from driver.targets.background import STARTS_S, check_detachable, start_driver
from driver.targets.plan_records import Planned, keep_plan
from driver.targets.planning import plan_run
from driver.targets.prepare import FromPython, Prepared, prepare
from driver.targets.submitting import start_driver_in_aws, with_inputs_sent
from driver.targets.watched import watched
from driver.text import shown_repr
from mapreduce.code import is_importing, own_modules_only_within
from mapreduce.errors import RUNS_ON_IMPORT, JobLoadError, MapReduceError, UsageError

_GOING = threading.Lock()
TARGETS = ("auto", "local", "aws", "inline", "spark")


def run(
    job: JobOrName,
    inputs: Inputs,
    *,
    target: WantedTarget = "auto",
    store: str | os.PathLike[str] | None = None,
    parameters: Mapping[str, object] | None = None,
    progress: bool = True,
    **options: Unpack[Options],
) -> Result:
    """Run a job over its inputs, and return its result when it is done.

    It is the command `run`: finished tasks of earlier runs are reused, and after a failure or
    Ctrl-C the same call goes on where it stopped. In a notebook, or with an event loop that runs
    already, it blocks too.

    Args:
        job: a class with `map`, or a chain; an instance of one, with its parameters; or a name as
            `--job` takes it, such as "word_count" or "jobs/mine.py:Mine". A class of a notebook or
            a REPL travels by its source, with the imports, functions, classes and plain values
            that it uses.
        inputs: a path, a folder, a glob or a URL; a list of these; or, for a job that declares
            input names, a dict of name to these.
        target: "local", "inline", "aws", "spark", or "auto": AWS where a stack is deployed, else
            this machine.
        store: folder or URL for all that the run writes (by default the stack's bucket when there
            is one, else .mapreduce in this folder).
        parameters: the job's parameters by name, as values.
        progress: show the progress: in a notebook a line that changes, else on standard error.
        options: those of the command by the names of `RunConfig`: `reducers=8`, `fresh=True`,
            `chunk_bytes=64 << 20`, `skip_bad_records=10`, `max_usd=1.0`.

    Raises:
        UsageError: an argument, the job, its parameters or its inputs cannot be run.
        UserCodeError: the job's code raised where no task ran, such as in `steps` of a chain.
        MapReduceError: the run failed; `failure` of it has the causes, with the record and the
            author's traceback of each, and the command that runs the failed task again.
        KeyboardInterrupt: the user has interrupted it; nothing goes on in the background.
    """
    with _alone("run") as found:
        return _run(job, inputs, target, store, parameters or {}, progress, options, found)


def submit(
    job: JobOrName,
    inputs: Inputs,
    *,
    target: WantedTarget = "auto",
    store: str | os.PathLike[str] | None = None,
    parameters: Mapping[str, object] | None = None,
    retries: int = 0,
    **options: Unpack[Options],
) -> Submitted:
    """Start a job that goes on when this program has ended, and return at once.

    On this machine it is the command `run --detach`, in AWS the command `submit`: the driver is a
    task there, and this machine may be closed.

    Args:
        job: as for `run`.
        inputs: as for `run`.
        target: as for `run`, without "spark".
        store: a folder; in AWS it is the stack's bucket.
        parameters: as for `run`.
        retries: how often another driver goes on with the run when one is killed.
        options: as for `run`.

    Raises:
        UsageError: an argument, the job, its parameters or its inputs cannot be run.
        PriceRefused: the run costs more than `max_usd` at least.
        FleetError: there is no stack, or AWS starts no driver; the message says how to try again.
    """
    with _alone("submit") as found:
        return _submit(job, inputs, target, store, parameters or {}, retries, options, found)


@contextmanager
def _alone(name: str) -> Iterator[list[GivenJob]]:
    """Yield a list for the job; within the block, no other call works in this process.

    Raises:
        MapReduceError: the error of the block, without the frames of this program.
    """
    found: list[GivenJob] = []
    try:
        if is_importing():
            raise JobLoadError(RUNS_ON_IMPORT)
        # the job's modules and packages, and standard output, are of the whole process
        if not _GOING.acquire(blocking=False):
            raise UsageError(
                f"another {name}() of this process goes on; call it after that one, or in a "
                "process of its own"
            )
        try:
            yield found
        finally:
            _GOING.release()
    except (MapReduceError, KeyboardInterrupt) as exc:
        raise shortened(exc, found[0] if found else None) from None


def _run(
    job: JobOrName,
    inputs: Inputs,
    target: WantedTarget,
    store: str | os.PathLike[str] | None,
    parameters: Mapping[str, object],
    progress: bool,
    options: Options,
    found: list[GivenJob],
) -> Result:
    """Carry out `run`; `found` gets the job."""
    started = time.monotonic()
    with ExitStack() as ends:
        _check_place("run", target, store)
        # the local services import their modules while the job is looked at
        prefork.start_early(["run", "--target", target, *_job_option(job)])
        ends.callback(prefork.dismiss)
        _, prepared = _prepared(job, inputs, target, store, parameters, options, found, ends)
        prepared = _within_price(prepared)
        view = view_of(wanted=progress)
        _say_notes(view, prepared)
        tick = view.tick if view is not None else _nothing
        report, later = watched(prepared, view, started, partial(drive, tick=tick))
    return Result(report, (*prepared.notes, *report.notes, *later), _runs=prepared.runs)


def _submit(
    job: JobOrName,
    inputs: Inputs,
    target: WantedTarget,
    store: str | os.PathLike[str] | None,
    parameters: Mapping[str, object],
    retries: int,
    options: Options,
    found: list[GivenJob],
) -> Submitted:
    """Carry out `submit`; `found` gets the job."""
    with ExitStack() as ends:
        _check_place("submit", target, store)
        check_retries("submit(retries=", retries)
        config, prepared = _prepared(job, inputs, target, store, parameters, options, found, ends)
        in_aws = prepared.target == "aws"
        if in_aws:
            prepared = with_inputs_sent(_within_price(prepared), _unseen)
        else:
            check_detachable(prepared)
        made, forecast = plan_run(prepared)
        planned = Planned(
            config=config,
            target=target,
            store=None if store is None else os.fspath(store),
            inputs=prepared.inputs,
            folder=str(Path.cwd()),
            stored=True,
            retries=retries,
            starts_s=submitting.STARTS_S if in_aws else STARTS_S,
        )
        run = keep_plan(prepared, made, forecast, planned).run
        if in_aws:
            start_driver_in_aws(prepared, run, retries)
        else:
            start_driver(prepared.runs, run, retries)
    return Submitted(run, _runs=prepared.runs)


def _check_place(call: str, target: object, store: object) -> None:
    if target not in TARGETS:
        raise UsageError(f"{call}(target={target!r}): it is one of {', '.join(TARGETS)}")
    if not isinstance(store, str | os.PathLike | None):
        raise UsageError(f"{call}(store={store!r}): it is a path or a URL")


def _job_option(job: JobOrName) -> list[str]:
    """Return the option with a job that has a file, as far as it is known without a look at it."""
    if isinstance(job, str):
        return ["--job", job]
    cls = job if isinstance(job, type) else type(job)
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return ["--job", f"{file}:{cls.__name__}"] if file else []


def _prepared(
    job: JobOrName,
    inputs: Inputs,
    target: WantedTarget,
    store: str | os.PathLike[str] | None,
    parameters: Mapping[str, object],
    options: Options,
    found: list[GivenJob],
    ends: ExitStack,
) -> tuple[RunConfig, Prepared]:
    """Return the options of a call, and the run; the job is there until `ends` ends."""
    given = ends.enter_context(given_job(job))
    found.append(given)
    config = config_of(given.text, inputs, options)
    # standard output is for the user's program, and not for what a job prints
    ends.enter_context(redirect_stdout(sys.stderr))
    ends.enter_context(own_modules_only_within())
    both = _both(given.parameters, parameters)
    prepared = prepare(
        config,
        target,
        None if store is None else os.fspath(store),
        command=_command(),
        given=FromPython(both, origins=given.origins),
    )
    return config, prepared


def _both(of_instance: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters of an instance and of the call; raises `UsageError` for one in both."""
    if not isinstance(given, Mapping):
        raise UsageError(
            f"parameters= is a dict of names to values, not {shown_repr(given, 60)}; "
            "write parameters={'min_length': 3}"
        )
    if twice := sorted(of_instance.keys() & given.keys()):
        raise UsageError(
            f"the parameter {twice[0]} is given twice: in the instance and in parameters=; "
            "give it once"
        )
    return {**of_instance, **given}


def _within_price(prepared: Prepared) -> Prepared:
    """Return a run that may begin, with its forecast if it has a limit; raises `PriceRefused`."""
    limit = prepared.config.max_usd
    if limit is None:
        return prepared
    _, forecast = plan_run(prepared)
    if forecast.money is not None:
        check_limit(forecast.money.together, limit)
    return replace(prepared, forecast=forecast)


def _say_notes(view: TickingView | None, prepared: Prepared) -> None:
    if view is not None:
        for note in prepared.notes:
            view.say(note)


def _command() -> str:
    """Return what the record of the run has for its command."""
    name = Path(sys.argv[0]).name if sys.argv else ""
    return f"driver.run() in {'a notebook' if 'ipykernel' in name else name or 'Python'}"


def _nothing() -> None:
    """Do nothing."""


def _unseen(_name: str, _sent: int, _size: int) -> None:
    """Show nothing of an upload."""
