"""The records of a plan, and the run that carries it out: exactly that plan, or a refusal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import replace
from pathlib import Path

from driver.forecast.document import Forecast
from driver.history.cancelling import check_not_refused
from driver.history.run_names import epoch_of
from driver.history.run_store import FORECAST, PLANNED, RunStore
from driver.output.place import Output
from driver.packages.of_job import digest_of_packages, keep_packages
from driver.plan.config import RunConfig
from driver.plan.target import WantedTarget
from driver.plan.tasks import RunPlan
from driver.program.command_name import COMMAND
from driver.targets.planning import with_plan
from driver.targets.prepare import FromPython, Prepared, open_runs, prepare
from driver.targets.stored_code import stored_code
from driver.targets.written_plan import keep_code, packed_code
from driver.text import plural, shown
from mapreduce.errors import InputError
from mapreduce.formats.table_files import FileFormat
from mapreduce.wire.messages import InputObject, Message

NAMES_SHOWN = 3


class Planned(Message):
    """The command of a plan: what `run --plan` carries out.

    `inputs` are the inputs as the user has them: in AWS, local ones are uploaded by the run, or
    before it by `submit`.
    `folder` is the one that relative paths begin in, "" in plans of an older version. `stored`: the
    job's code is in the store, and the job is carried out over these inputs as it is there.
    `retries`: how often another
    driver goes on by itself when one is lost. `starts_s`: seconds that its driver may take to
    begin.
    """

    config: RunConfig
    target: WantedTarget
    store: str | None
    output: str | None = None
    output_format: FileFormat | None = None
    columns: str | None = None
    header: bool = True
    partition_by: str | None = None
    inputs: tuple[InputObject, ...] = ()
    folder: str = ""
    stored: bool = False
    retries: int = 0
    starts_s: float = 0.0


def keep_plan(prepared: Prepared, plan: RunPlan, forecast: Forecast, planned: Planned) -> Forecast:
    """Write a plan under a new run id; return the forecast with that id and the next command."""
    runs = prepared.runs
    if prepared.packages is not None:  # so that the plan is carried out with the same ones
        keep_packages(prepared.packages, runs)
    if planned.stored:
        keep_code(prepared)
        if file := planned.config.requirements:  # it is needed on another platform alone
            config = replace(planned.config, requirements=file.absolute())
            planned = planned.model_copy(update={"config": config})
    plan = runs.begin(plan)
    limit = forecast.money.together.high if forecast.money else None
    money = "" if limit is None else f" --max-usd {math.ceil(limit * 100) / 100:.2f}"
    go = f"{COMMAND} run --plan {plan.run}{runs.option}{money}"
    forecast = forecast.model_copy(update={"run": plan.run, "go": go})
    runs.write(plan.run, PLANNED, planned)
    runs.write(plan.run, FORECAST, forecast)
    return forecast


def prepared_by(
    run: str, store: str | None, max_usd: float | None, command: str
) -> tuple[Prepared, Output | None]:
    """Return the run that carries out a plan, and its `--output`.

    Raises:
        InputError: there is no such plan, or an input, the job's code, its parameters or the
            program is not what it was.
        RunStopped: the run was cancelled before a driver had begun it.
    """
    kept = open_runs(store)
    name = kept.resolve(run)
    check_not_refused(kept, name)
    plan, planned, forecast = _records(kept, name)
    output = Output.parse(
        planned.output,
        planned.output_format,
        columns=planned.columns,
        header=planned.header,
        partition_by=planned.partition_by,
    )
    config = planned.config
    if max_usd is not None:
        config = replace(config, max_usd=max_usd)
    goes_on = kept.state(name) == "lost"
    unpacked = stored_code(kept, plan) if planned.stored else None
    given = FromPython()
    if unpacked is not None:
        config = replace(config, job=unpacked.job)
        given = FromPython(
            written=plan.job.parameters,
            origins=plan.origins,
            inputs=planned.inputs,
            packages=plan.job.packages,
        )
    with _folder_of(planned, config, name):
        where = kept.store if store else planned.store
        # a driver in the background has no command that a user gives
        said = plan.command if planned.stored else command
        prepared = prepare(config, planned.target, where, output, said, given)
    prepared = replace(prepared, unpacked=unpacked)
    _check_same(prepared, plan, planned)
    carried_out = not kept.is_plan(name)
    prepared = with_plan(prepared, plan, forecast)
    if goes_on:
        note = f"{name} has lost its driver: this one goes on with it"
        return replace(prepared, forecast=None, goes_on=True, notes=(*prepared.notes, note)), output
    if carried_out:
        note = f"{name} has been carried out: the same plan runs again under a new id"
        # what the first time has done is reused: the plan's forecast is of other work
        prepared = replace(prepared, planned=None, forecast=None, notes=(*prepared.notes, note))
    return prepared, output


@contextmanager
def _folder_of(planned: Planned, config: RunConfig, run: str) -> Iterator[None]:
    """Within the block, the current folder is the one in which the plan was made.

    A plan whose code and inputs are in the store, and that writes nothing outside it, needs no
    folder: another machine has none of that name.
    """
    file = config.requirements
    here = planned.output is not None or (file is not None and not file.is_absolute())
    elsewhere = planned.stored and not here
    if elsewhere or not planned.folder or Path(planned.folder) == Path.cwd():
        yield
        return
    try:
        with chdir(planned.folder):
            yield
    except (FileNotFoundError, NotADirectoryError, PermissionError) as exc:
        raise InputError(
            f"{run} was started in {shown(planned.folder)}, which cannot be entered here: {exc}; "
            "its inputs are named from there"
        ) from exc


def retries_of(kept: RunStore, run: str) -> int:
    """Return how often another driver goes on with a run by itself; 0 for one without a plan."""
    planned = _planned(kept, run)
    return planned.retries if planned else 0


def begins_until(kept: RunStore, run: str) -> float:
    """Return until when the first driver of a run may begin, in seconds since the epoch."""
    planned = _planned(kept, run)
    return kept.plan(run).created + (planned.starts_s if planned else 0.0)


def is_for_driver_in_aws(kept: RunStore, run: str) -> bool:
    """Return whether `submit` has made a plan: its code is in the store of a stack."""
    planned = _planned(kept, run)
    return planned is not None and planned.stored and kept.store.startswith("s3://")


def command_of_plan(kept: RunStore, run: str) -> str:
    """Return the command that starts a driver for a plan which none carries out."""
    verb = "submit" if is_for_driver_in_aws(kept, run) else "run"
    return f"{COMMAND} {verb} --plan {run}{kept.option}"


def _planned(kept: RunStore, run: str) -> Planned | None:
    """Return the command of a plan; None for a run without one, or of another version."""
    data = kept.record(epoch_of(run)[0], PLANNED)
    try:
        return Planned.model_validate_json(data) if data else None
    except ValueError:  # of another version, which waits for no driver
        return None


def _records(kept: RunStore, name: str) -> tuple[RunPlan, Planned, Forecast]:
    first, _ = epoch_of(name)
    texts = [kept.record(first, each) for each in (PLANNED, FORECAST)]
    if None in texts:
        raise InputError(
            f"{name} is a run and not a plan; "
            f"make one with: {COMMAND} plan --input FILE{kept.option}"
        )
    planned, forecast = texts
    try:
        return (
            kept.plan(name),
            Planned.model_validate_json(planned or b""),
            Forecast.model_validate_json(forecast or b""),
        )
    except ValueError as exc:
        raise InputError(
            f"the plan {name} was made by another version of this program; plan again"
        ) from exc


def _check_same(prepared: Prepared, plan: RunPlan, planned: Planned) -> None:
    """Check that a plan is still what would be done; raises `InputError`."""
    changes = changed_inputs(planned.inputs, prepared.inputs)
    if not changes and packed_code(prepared)[0] != plan.job.code:
        changes = [f"the code of {plan.job.name}"]
    if not changes and plan.job.packages != digest_of_packages(prepared.packages):
        changes = [f"the packages of {plan.job.name}"]
    if not changes and prepared.build != plan.build:
        changes = ["this program, or its environment"]
    if changes:
        names = ", ".join(changes[:NAMES_SHOWN])
        more = f" and {len(changes) - NAMES_SHOWN} more" if len(changes) > NAMES_SHOWN else ""
        raise InputError(
            f"since the plan {plan.run}, something has changed: {names}{more}; "
            "plan again, with the command of the plan"
        )


def changed_inputs(before: tuple[InputObject, ...], now: tuple[InputObject, ...]) -> list[str]:
    """Return the inputs that are new, gone or changed, in words."""
    then, today = ({given.url: given for given in each} for each in (before, now))
    found = [
        f"{shown(url)} has changed"
        for url, given in then.items()
        if url in today and (today[url].etag, today[url].size) != (given.etag, given.size)
    ]
    found += [f"{shown(url)} is gone" for url in then if url not in today]
    found += [f"{shown(url)} is new" for url in today if url not in then]
    if not found and before != now:
        found = [f"the order or the format of {plural(len(now), 'input')}"]
    return found
