"""Checks that the options of a run fit its target, its job, its inputs and its stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driver.cloud.stack import Stack
from driver.plan.config import RunConfig
from driver.plan.target import WantedTarget
from mapreduce.code import JobClass
from mapreduce.errors import UsageError
from mapreduce.job import Job, reduce_of
from mapreduce.user_code.class_check import without_map
from mapreduce.user_code.column_check import has_columns
from mapreduce.wire import keys
from mapreduce.wire.messages import InputObject

if TYPE_CHECKING:
    from driver.cloud.aws import Aws

INPUT_FOLDERS = (keys.INPUT, keys.REDUCE)
"""The folders of the stack's bucket that splitter and mapper may read as input; a test compares
them with the policies of their roles."""


def check_target(config: RunConfig, target: WantedTarget) -> None:
    """Check that the target can do what the options ask for; raises `UsageError`."""
    if config.chaos is not None and target in ("inline", "spark"):
        raise UsageError(
            f"--chaos injects faults into services, and --target {target} has none; "
            "use --target local"
        )
    if target == "spark":
        from driver.spark.session import check_installed  # imported only for a run on Spark

        check_installed()
        if config.skip_bad_records:
            raise UsageError(
                "--skip-bad-records: a run on Spark stops at the first bad record; "
                "use --target local"
            )


def check_options(config: RunConfig, job: JobClass, stack: Stack | None) -> None:
    """Check the options that depend on the job or the stack, and that the job can read its inputs.

    Raises:
        UsageError: an option's value is wrong.
        JobLoadError: the job has no `map`.
    """
    if issubclass(job, Job) and job.map is Job.map and not has_columns(job):
        raise without_map(job)
    _check_sort(config, job)
    _check_keep(config, stack)
    _check_limit(config, stack)


def check_regions(config: RunConfig, stack: Stack | None, aws: Aws | None) -> None:
    """Check that the inputs' buckets lie in the stack's region; raises `UsageError`."""
    if stack is None or aws is None:
        return
    from driver.cloud.input_buckets import check_regions  # imports boto3, which is slow

    check_regions(config.inputs, stack, aws)


def _check_sort(config: RunConfig, job: JobClass) -> None:
    if not issubclass(job, Job):
        if config.sort:
            raise UsageError(
                "--sort: each step of a chain says itself what is sorted; "
                "set `total_order` in a step's job"
            )
        return
    if (config.sort or job.total_order) and (
        reduce_of(job) is None or job.partition is not Job.partition
    ):
        what = "has its own `partition`"
        if reduce_of(job) is None:
            what = "has no `reduce`, and so no keys to sort by"
        raise UsageError(f"{job.__name__} {what}; its result cannot be in total order")


def _check_keep(config: RunConfig, stack: Stack | None) -> None:
    """Check that a guard stops the tasks that --keep leaves; raises `UsageError`."""
    if config.keep_s is None:
        return
    if stack is None:
        raise UsageError("--keep: only a run in AWS leaves tasks; leave the option out")
    if stack.guard is None:
        raise UsageError(
            "--keep: the stack has no idle guard to stop the tasks later; "
            "set idle_stop_minutes and run ./deploy.sh, or leave the option out"
        )


def _check_limit(config: RunConfig, stack: Stack | None) -> None:
    """Check that --max-usd has something to count; raises `UsageError`."""
    if config.max_usd is not None and stack is None:
        raise UsageError(
            "--max-usd: a run on this machine has no price; leave the option out, "
            "or use --target aws"
        )


def check_buckets(inputs: tuple[InputObject, ...], stack: Stack, aws: Aws | None) -> list[str]:
    """Check that the roles of splitter and mapper may read the inputs; return what is not certain.

    Raises:
        UsageError: they may not.
    """
    own = tuple(f"{stack.store}/{folder}/" for folder in INPUT_FOLDERS)
    for given in inputs:
        bucket, _, key = given.url.removeprefix("s3://").partition("/")
        if not given.url.startswith("s3://") or bucket in stack.extra_input_buckets:
            continue
        if bucket != stack.bucket:
            raise UsageError(
                f"the services may not read {given.url}; "
                f"add {bucket!r} to extra_input_buckets and run "
                f"./deploy.sh, or copy the input below {own[0]}"
            )
        if not given.url.startswith(own):
            raise UsageError(
                f"the services may not read {given.url}: of the stack's bucket they read input/, "
                f"and results in reduce/; copy the input, for example: aws s3 cp {given.url} "
                f"{own[0]}{key}"
            )
    if aws is None:
        return []
    from driver.cloud.input_buckets import check_encryption

    return check_encryption((given.url for given in inputs), stack, aws)
