"""Runs whose driver is a task in AWS: what the driver needs goes to the bucket, then it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from driver.cloud.stack import Stack, read_stack
from driver.cloud.terraform import terraform_folder
from driver.history.cancelling import check_not_refused
from driver.history.run_names import epoch_of
from driver.history.run_store import RunStore
from driver.plan.upload import Progress, upload_inputs
from driver.program.command_name import COMMAND
from driver.targets.plan_records import is_for_driver_in_aws, retries_of
from driver.targets.prepare import Prepared, open_runs
from mapreduce.errors import FleetError, UsageError

if TYPE_CHECKING:
    from driver.cloud.aws import Aws

STARTS_S = 600.0
"""How long Fargate may take to start a driver: it pulls the image, and may wait for capacity."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A run with a driver in AWS: its id, and the ARN of the driver's task."""

    run: str
    task: str


def with_inputs_sent(prepared: Prepared, uploading: Progress) -> Prepared:
    """Send the local inputs of a run to the stack's bucket; return the run over these.

    Args:
        prepared: the run.
        uploading: receives the progress of each input's upload.
    """
    runs = prepared.runs
    sent = upload_inputs(prepared.inputs, runs.storage, runs.store, uploading)
    return replace(prepared, inputs=sent)


def start_driver_in_aws(prepared: Prepared, run: str, retries: int) -> Submission:
    """Start the first driver of a plan.

    Args:
        prepared: the run.
        run: the plan.
        retries: how often another driver goes on if one is lost.

    Raises:
        FleetError: AWS starts none; the message has the command that tries again.
    """
    stack, aws = prepared.stack, prepared.aws
    assert stack is not None
    assert aws is not None
    return _started(prepared.runs, run, lambda: _start(stack, aws, run, retries, 0))


def start_again(run: str, store: str | None) -> tuple[RunStore, Submission]:
    """Start the driver of a plan of `submit` that has none: it never began, or is lost.

    A driver that has been started for it already, and that still lives, is the answer. The request
    is named by the run and by how many of its drivers have stopped, so that one that is sent
    twice, from one machine or two, starts one task.

    Args:
        run: the plan.
        store: the store, as `--store` names it.

    Raises:
        UsageError: the run is over, or goes on, or its driver is not for AWS.
        RunStopped: it was cancelled.
        FleetError: there is no stack, or AWS starts no driver.
    """
    runs = open_runs(store)
    newest = runs.resolve(run)
    first, epoch = epoch_of(newest)
    check_not_refused(runs, newest)
    if not is_for_driver_in_aws(runs, newest):
        raise UsageError(
            f"--plan {run}: is no plan of `submit`; carry it out here: "
            f"{COMMAND} run --plan {run}{runs.option}"
        )
    state = runs.state(newest)
    if state not in ("planned", "lost"):
        raise UsageError(
            f"{newest} is {state}; see: {COMMAND} attach {newest}{runs.option}, "
            "or give its command again"
        )
    stack = read_stack(terraform_folder())
    if stack is None or stack.store != runs.store:
        raise FleetError(f"the stack of {runs.store} is not deployed from here")
    retries = max(retries_of(runs, newest), epoch if state == "lost" else 0)
    return runs, _started(runs, first, lambda: _next(stack, first, retries))


def _next(stack: Stack, run: str, retries: int) -> str:
    from driver.cloud.aws import Aws  # imports boto3, which is slow
    from driver.cloud.driver_task import drivers_of

    aws = Aws(stack.region)
    live, stopped = drivers_of(stack, aws, run)
    return live[0] if live else _start(stack, aws, run, retries, len(stopped))


def _start(stack: Stack, aws: Aws, run: str, retries: int, before: int) -> str:
    """Start a driver of a run that has had so many before; return the ARN of its task."""
    from driver.cloud.driver_task import start_driver_task  # imports boto3, which is slow

    command = ["keep", run, "--retries", str(retries)]
    return start_driver_task(stack, aws, run, command, f"{run}.{before}")


def _started(runs: RunStore, run: str, start: Callable[[], str]) -> Submission:
    """Return the run with the task that was started; a failure names the command that goes on."""
    try:
        return Submission(run, start())
    except FleetError as exc:
        again = f"{COMMAND} submit --plan {run}{runs.option}"
        raise FleetError(f"{exc}; the plan is kept, try again: {again}") from exc
    except KeyboardInterrupt as exc:
        exc.add_note(f"{run} is planned; start its driver: {COMMAND} submit --plan {run}")
        raise
