"""A check of what only a real account can show, in about ten minutes, on a deployed stack.

It carries out a small run, and asks the services for what their roles must refuse. It deletes what
it has written. What has no answer here (an emulator enforces no rights) or needs a hand is said.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from driver.cloud.aws import Aws, explained
from driver.cloud.logs import log_lines
from driver.cloud.stack import Stack
from driver.doctor.finding import Finding
from driver.doctor.stack import SEE_LOGS, connected, examine_stack
from driver.history.cleaning import carry_out as delete
from driver.history.cleaning import plan_cleaning
from driver.history.run_store import RunStore
from driver.plan.config import RunConfig
from driver.plan.events import EventLog
from driver.plan.tasks import AnyTask, reduce_tasks
from driver.program.command_name import COMMAND
from driver.targets.prepare import open_runs, prepare
from driver.targets.start import carry_out
from driver.transport.base import Transport
from driver.transport.endpoint import ROLES, Endpoint, Fleet
from mapreduce.engine.fetch import write_list
from mapreduce.errors import MapReduceError, OutputLost
from mapreduce.wire import keys
from mapreduce.wire.messages import (
    Done,
    Failed,
    InputObject,
    SplitRule,
    SplitTask,
    StageName,
    TaskError,
)

State = Literal["ok", "failed", "not asked"]
WORDS = "the quick brown fox jumps over the lazy dog and the cat\n" * 400
DENIED_FOLDER = "selftest"
"""A folder of the bucket that no role may read."""
LOGS_S = 90.0
"""Seconds that CloudWatch may take to show a line."""
LOOK_S = 5.0
NO_RIGHTS = "an emulator enforces no rights"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was seen, and the remedy if it failed, or the command that answers it."""

    name: str
    state: State
    seen: str
    remedy: str = ""


MANUAL = (
    Step(
        "idle guard",
        "not asked",
        "it stops a stack that no run uses, after idle_stop_minutes",
        f"{COMMAND} stack start; wait that long, then: {COMMAND} doctor",
    ),
    Step(
        "rollback",
        "not asked",
        "a version that does not start is an error, and the one before runs on",
        "deploy with a mapper_memory that Fargate has and the job has not; see: "
        f"{COMMAND} stack wait",
    ),
    Step(
        "sign-in",
        "not asked",
        "a run pauses when the credentials end, and goes on after a sign-in",
        "aws sso logout during a longer run, then aws sso login",
    ),
    Step(
        "leftovers",
        "not asked",
        "destroy leaves nothing",
        f"./destroy.sh, and an hour later: {COMMAND} stack leftovers --name NAME --region REGION",
    ),
)
"""What takes a hand, or longer than ten minutes."""


def selftest(stack: Stack, aws: Aws) -> Iterator[Step]:
    """Yield each step as it is done; stop at a step that others need."""
    for finding in examine_stack(stack):
        yield _step_of(finding)
        if not finding.ok:
            yield Step("all others", "not asked", "they need the steps above")
            return
    yield cloud_map(stack, aws)
    runs = open_runs(stack.store)
    step, run = small_run(runs)
    yield step
    if run is None:
        return
    try:
        yield from asyncio.run(_ask_services(stack, aws, runs, run))
        yield logs(lambda: sum(1 for _ in log_lines(stack, aws, run, None, time.time() - 3600)))
    finally:
        _delete(runs, run)
    yield from MANUAL


def _delete(runs: RunStore, run: str) -> None:
    """Delete the run and its input; the code of its job may be that of other runs too."""
    inputs = [given.url for given in runs.plan(run).inputs if given.url.startswith(runs.store)]
    runs.storage.delete(inputs)
    delete(plan_cleaning(runs, [run], results=True), runs)


def _step_of(finding: Finding) -> Step:
    state: State = "ok" if finding.ok else "failed"
    return Step(finding.step, state, finding.seen, "" if finding.ok else finding.remedy)


def cloud_map(stack: Stack, aws: Aws) -> Step:
    """Check that Cloud Map lists as many tasks as ECS runs, where the stack uses it."""
    name = "Cloud Map"
    if not stack.namespace:
        return Step(name, "not asked", "the stack does without")
    try:
        with explained():
            for service in stack.services.values():
                if not service.discovery_service_name:
                    continue
                listed = aws.discovery.discover_instances(
                    NamespaceName=stack.namespace,
                    ServiceName=service.discovery_service_name,
                    HealthStatus="ALL",
                )["Instances"]
                found = aws.ecs.describe_services(
                    cluster=stack.cluster, services=[service.service_name]
                )["services"][0]
                if len(listed) != found["runningCount"]:
                    seen = f"{len(listed)} of {found['runningCount']} tasks of"
                    return Step(
                        name,
                        "failed",
                        f"it lists {seen} {service.service_name}",
                        "it lags by seconds: run this again; a driver outside of the VPC asks ECS",
                    )
    except MapReduceError as exc:
        return Step(name, "failed", str(exc), "does your network role allow it? see the message")
    return Step(name, "ok", "it lists the tasks that ECS runs")


def small_run(
    runs: RunStore, target: Literal["aws", "local", "inline"] = "aws"
) -> tuple[Step, str | None]:
    """Count words on the stack, and compare with a count in this process; return the run too."""
    name = "small run"
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "selftest.txt"
            path.write_text(WORDS, encoding="utf-8")
            config = RunConfig(
                inputs=(str(path),), chunks=2, reducers=2, fresh=True, remembered=False
            )
            prepared = prepare(config, target, runs.store)
            report = asyncio.run(carry_out(prepared, EventLog(), lambda *_: None, time.monotonic()))
    except MapReduceError as exc:
        return Step(name, "failed", str(exc), f"{COMMAND} doctor"), None
    lines = b"".join(runs.storage.read(url) for url in report.result_urls).splitlines()
    found = {pair["key"]: pair["value"] for pair in map(json.loads, lines)}
    if found != Counter(WORDS.split()):
        return Step(name, "failed", "the counts are wrong", SEE_LOGS), report.run_id
    seconds = report.timings.end_to_end
    return Step(name, "ok", f"{report.run_id}, {seconds:.1f} s, and its result is right"), (
        report.run_id
    )


async def _ask_services(stack: Stack, aws: Aws, runs: RunStore, run: str) -> list[Step]:
    try:
        async with connected(stack, aws) as (fleet, transport):
            return [
                await denied_input(runs, run, fleet, transport),
                await lost_output(runs, run, fleet, transport),
            ]
    except MapReduceError as exc:
        return [Step("requests to the services", "failed", str(exc), f"{COMMAND} doctor")]


async def denied_input(runs: RunStore, run: str, fleet: Fleet, transport: Transport) -> Step:
    """Check that the splitter's role refuses an object outside of the folders that it may read."""
    name = "denied input"
    if is_emulator():
        return Step(name, "not asked", NO_RIGHTS)
    url = keys.join(runs.store, DENIED_FOLDER, f"{run}.txt")
    info = runs.storage.write(url, b"not for the services\n")
    try:
        task = SplitTask(
            run=run,
            attempt="selftest",
            store=runs.store,
            inputs=(InputObject(url=url, size=info.size, etag=info.etag),),
            cut=SplitRule(splits=1),
            mode="copy",
        )
        error = await _error_of(task, "split", fleet, transport)
    finally:
        runs.storage.delete([url])
    if error is None:
        remedy = "the splitter's role may read too much; is it an existing role, such as LabRole?"
        return Step(name, "failed", f"the splitter has read {url}", remedy)
    if "denies access" in error.message:
        return Step(name, "ok", "IAM denies the splitter an object outside of its folders")
    return Step(name, "failed", f"another error: {error.kind}: {error.message}", SEE_LOGS)


async def lost_output(runs: RunStore, run: str, fleet: Fleet, transport: Transport) -> Step:
    """Check that a reducer knows a missing map output as missing: S3 says so only to those who may
    list its folder.
    """
    name = "lost map output"
    plan, results = runs.plan(run), runs.results(run)
    listed = write_list(results.maps, runs.store, run, runs.storage)
    runs.storage.delete([results.maps[0].url])
    task = reduce_tasks(plan, results.maps, listed)[0].attempt(99)
    error = await _error_of(task, "reduce", fleet, transport)
    if error is not None and issubclass(error.cause, OutputLost):
        return Step(name, "ok", "the reducer knows it as missing, so a run writes it again")
    seen = "it was not missed" if error is None else f"{error.kind}: {error.message}"
    return Step(name, "failed", seen, "the reducer's role must allow s3:ListBucket for maps/*")


async def _error_of(
    task: AnyTask, stage: StageName, fleet: Fleet, transport: Transport
) -> TaskError | None:
    """Return the error with which a service ends a task; None if it does the task."""
    endpoint = await _one_of(stage, fleet)
    last: object = None
    async for event in transport.run(endpoint, task):
        last = event
    if isinstance(last, Failed):
        return last.error
    return None if isinstance(last, Done) else TaskError(kind="TaskLost", message=f"{last}")


async def _one_of(stage: StageName, fleet: Fleet) -> Endpoint:
    found = await fleet.endpoints(stage)
    if not found:
        raise MapReduceError(f"there is no {ROLES[stage]}; {COMMAND} stack start")
    return found[0]


def logs(
    count: Callable[[], int],
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Step:
    """Check that CloudWatch shows what the services logged of the run, some seconds later."""
    name, until = "logs", now() + LOGS_S
    while True:
        try:
            found = count()
        except MapReduceError as exc:
            return Step(name, "failed", str(exc), "may these credentials do logs:FilterLogEvents?")
        if found:
            return Step(name, "ok", f"{found} lines of the run")
        if now() >= until:
            seen = f"no line of the run after {LOGS_S:.0f} s"
            return Step(name, "failed", seen, f"{COMMAND} logs, in a minute")
        sleep(LOOK_S)


def is_emulator() -> bool:
    """Return whether AWS is an emulator on this machine."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    return bool(re.match(r"https?://(localhost|127\.|\[::1\])", endpoint))
