"""Writes what a run needs in its store before it begins: code, packages, inputs and the plan."""

from __future__ import annotations

import time
from collections.abc import Callable

from driver.history.cancelling import check_not_refused
from driver.history.run_store import RunStore
from driver.packages.of_job import digest_of_packages, keep_packages
from driver.plan.tasks import RunPlan
from driver.plan.upload import Progress, upload_inputs
from driver.program.command_name import COMMAND
from driver.targets.prepare import Prepared
from driver.text import BLOCK_LIMIT, shown, storable
from mapreduce.code import pack
from mapreduce.errors import InputError, ObjectExists, UsageError
from mapreduce.formats.table import frozen_columns
from mapreduce.job import Job
from mapreduce.storage import Storage
from mapreduce.version import VERSION
from mapreduce.wire import keys
from mapreduce.wire.messages import InputObject, JobSpec


def packed_code(prepared: Prepared) -> tuple[str, bytes]:
    """Return the digest of the job's code, and its pack; raises `InputError`."""
    try:
        return pack(prepared.source, prepared.modules)
    except UnicodeEncodeError as exc:
        name = shown(exc.object)
        raise InputError(
            f"the name of the file {name}, which the job imports, is not UTF-8; rename the file"
        ) from exc


def plan_of(prepared: Prepared, code: str, inputs: tuple[InputObject, ...]) -> RunPlan:
    """Return the plan of a run without its id.

    Args:
        prepared: the run.
        code: the digest of the job's code.
        inputs: its inputs, where the tasks read them.
    """
    config = prepared.config
    return RunPlan(
        run="run",
        created=time.time(),
        target=prepared.target,
        store=prepared.runs.store,
        job=JobSpec(
            code=code,
            packages=digest_of_packages(prepared.packages),
            module=prepared.source.module,
            file=prepared.source.file,
            name=prepared.source.name,
            parameters=prepared.parameters,
        ),
        inputs=inputs,
        cut=prepared.cut,
        partitions=prepared.partitions,
        mode=config.mode,
        top=config.top,
        total_order=config.sort or (issubclass(prepared.job, Job) and prepared.job.total_order),
        columns=frozen_columns(prepared.job.columns) if issubclass(prepared.job, Job) else (),
        keep_order=issubclass(prepared.job, Job) and prepared.job.keep_order,
        chain=not issubclass(prepared.job, Job),
        build=prepared.build,
        code=prepared.identity,
        modules=prepared.modules.names(),
        left_out=prepared.left_out,
        job_folder=storable(str(prepared.source.root), BLOCK_LIMIT),
        command=storable(prepared.command, BLOCK_LIMIT),
        keep_pairs=prepared.config.keep_pairs and issubclass(prepared.job, Job),
        origins=prepared.origins,
        asked=prepared.asked,
        version=VERSION,
        broadcast=prepared.broadcast.name,
    )


Going = Callable[[], None]
"""Raises `RunStopped` once the run has been ended."""


def _going() -> None:
    """Nothing ends the run."""


def write_plan(prepared: Prepared, uploading: Progress, going: Going = _going) -> RunPlan:
    """Write the job's code, in AWS the local inputs, and the plan under its id, or a new one.

    Args:
        prepared: the run.
        uploading: receives the progress of each input's upload.
        going: raises once the run has been ended; asked all the time, and before the plan is there.
    """
    runs = prepared.runs
    digest = keep_code(prepared)
    if prepared.packages is not None:
        keep_packages(prepared.packages, runs)
    inputs = prepared.inputs
    if uploads_inputs(prepared):

        def sent(name: str, done: int, size: int) -> None:
            going()
            uploading(name, done, size)

        inputs = upload_inputs(inputs, runs.storage, runs.store, sent)
    plan = plan_of(prepared, digest, inputs)
    going()
    if prepared.planned is None:
        return runs.begin(plan)
    planned = prepared.planned
    if prepared.unpacked is not None:  # errors name the author's files
        plan = plan.model_copy(update={"job_folder": planned.job_folder})
    if prepared.goes_on:  # the epoch is this driver's alone
        plan = plan.model_copy(update={"run": runs.take_epoch(planned.run)})
    else:
        plan = plan.model_copy(update={"run": planned.run})
        _begin(plan, runs)
    runs.write(plan.run, "plan.json", plan)
    return plan


def _begin(plan: RunPlan, runs: RunStore) -> None:
    """Begin to carry out a plan, which only one driver can do.

    Raises:
        UsageError: another driver has begun it.
        RunStopped: the run was cancelled.
    """
    try:
        runs.storage.create(keys.run_file(runs.store, plan.run, keys.BEGUN), b"")
    except ObjectExists as exc:
        check_not_refused(runs, plan.run)
        raise UsageError(
            f"another driver has just begun to carry out the plan {plan.run}; "
            f"watch it: {COMMAND} attach {plan.run}{runs.option}"
        ) from exc


def uploads_inputs(prepared: Prepared) -> bool:
    """Return whether local inputs are copied to the store, because the tasks run elsewhere."""
    return prepared.target == "aws" or (
        prepared.target == "spark" and prepared.runs.store.startswith("s3://")
    )


def keep_code(prepared: Prepared) -> str:
    """Write the job's code to the store; return its digest."""
    digest, data = packed_code(prepared)
    _keep(prepared.runs.storage, keys.code(prepared.runs.store, digest), data)
    return digest


def _keep(storage: Storage, url: str, data: bytes) -> None:
    """Write a job's code unless the same bytes are there: a damaged copy fails every later run."""
    try:
        storage.create(url, data)
    except ObjectExists:
        if storage.read(url) != data:
            storage.write(url, data)
