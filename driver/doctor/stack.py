"""Checks the deployed stack, from the credentials to an answer of each task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from driver.cloud.stack import Stack
from driver.doctor.account import signed_in
from driver.doctor.finding import Finding, guarded
from driver.doctor.services import STOPPED, Remedies, running
from driver.program.command_name import COMMAND
from driver.transport.endpoint import ROLES, Role
from mapreduce.errors import MapReduceError

if TYPE_CHECKING:
    from driver.cloud.aws import Aws
    from driver.cloud.ecs import EcsFleet
    from driver.transport.http import HttpTransport
    from mapreduce.wire.messages import StageName

SEE_LOGS = f"see: {COMMAND} logs"
REMEDIES = Remedies(logs=SEE_LOGS, start=f"{COMMAND} stack start", deploy="./deploy.sh")
CLOSED = "port"
"""The step of a stack whose tasks cannot be called from here."""
REPLACE_IMAGES = f"an earlier version still runs: {COMMAND} stack wait"


def examine_stack(stack: Stack) -> Iterator[Finding]:
    """Yield findings of the stack: credentials, bucket, services, endpoints, a signed request.

    A stack whose services are all stopped is well: nothing more can be asked of it. So is one whose
    port is closed to all outside the VPC: its tasks are not called.
    """
    finding, aws = signed_in(stack.region)
    yield finding
    if aws is None:
        return
    yield guarded(
        "bucket", lambda: _bucket(stack, aws), "is the stack destroyed, or in another account?"
    )
    services = [service(stack, aws, role) for role in stack.services]
    if all(found.seen == STOPPED for found in services):
        seen = "all tasks are stopped; the next run starts those that it wants"
        yield Finding("services", True, seen)
        yield _closed(stack) or address(stack)
        return
    yield from services
    yield guard(stack, aws)
    closed = _closed(stack)
    yield from [closed] if closed else _guarded_answers(stack, aws)


def _closed(stack: Stack) -> Finding | None:
    """Return the finding of a stack that admits no address outside the VPC; None for others."""
    from driver.cloud.own_address import why_closed

    seen = why_closed(stack.address_kind, stack.allowed_cidrs)
    return Finding(CLOSED, True, seen) if seen else None


def _bucket(stack: Stack, aws: Aws) -> str:
    from mapreduce.storage import open_storage

    storage = open_storage(credentials=aws.credential_provider(), region=stack.region)
    count = sum(1 for _ in storage.list(f"{stack.store}/runs"))
    return f"{stack.store} can be read ({count} records of runs)"


def service(stack: Stack, aws: Aws, role: Role) -> Finding:
    """Check that a service runs all its tasks, of the version that Terraform made."""
    return running(f"{role} service", stack.services[role], stack.cluster, aws, REMEDIES)


def guard(stack: Stack, aws: Aws) -> Finding:
    """Check that the idle guard runs, without which a forgotten fleet runs on."""
    if stack.guard is None:
        return Finding("idle guard", True, "none: idle_stop_minutes is 0, tasks run until stopped")
    found = running("idle guard", stack.guard, stack.cluster, aws, REMEDIES)
    after = f"; it stops the tasks after {stack.idle_stop_minutes} min without a run"
    return replace(found, seen=found.seen + after) if found.ok else found


def _guarded_answers(stack: Stack, aws: Aws) -> Iterator[Finding]:
    """Yield findings of each endpoint's health, and of one signed request to a worker."""
    try:
        answers = asyncio.run(_ask_all(stack, aws))
    except MapReduceError as exc:
        yield Finding("endpoints", False, str(exc), SEE_LOGS)
        return
    yield from answers


@asynccontextmanager
async def connected(stack: Stack, aws: Aws) -> AsyncIterator[tuple[EcsFleet, HttpTransport]]:
    """Return the stack's fleet, and a transport with the stack's key."""
    from driver.cloud.ecs import EcsFleet
    from driver.transport.http import HttpTransport

    fleet = EcsFleet(stack, aws)
    key = await asyncio.to_thread(fleet.signing_key)
    async with HttpTransport(key, heartbeat_timeout_s=15) as transport:
        yield fleet, transport


async def _ask_all(stack: Stack, aws: Aws) -> list[Finding]:
    async with connected(stack, aws) as (fleet, transport):
        stages = [await _ask_stage(stage, fleet, transport, stack.image_tag) for stage in ROLES]
        signed = await _signed_request(stack, fleet, transport)
    if all(each.well for each in stages):
        return [*(each.finding("") for each in stages), signed]
    found = address(stack)
    return [found, *(each.finding(found.remedy) for each in stages), signed]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The answers of a role's tasks to a request for their health."""

    role: Role
    tasks: int
    silent: tuple[str, ...]
    images: frozenset[str]
    wanted: str

    @property
    def others(self) -> str:
        """The images that answer and are not the wanted one."""
        return ", ".join(sorted(self.images - {self.wanted}))

    @property
    def well(self) -> bool:
        """Whether there are tasks, and each has answered, of the wanted image."""
        return bool(self.tasks) and not self.silent and not self.others

    def finding(self, why_silent: str) -> Finding:
        """Return the finding; silent tasks have this remedy."""
        answered = f"{self.tasks - len(self.silent)} of {self.tasks} answer"
        answered += f", image {', '.join(sorted(self.images))}" if self.images else ""
        answered += f", and not {self.wanted} alone" if self.others else ""
        remedy = REPLACE_IMAGES if self.others else SEE_LOGS
        return Finding(
            f"{self.role} endpoints",
            self.well,
            answered + (f"; {self.silent[0]}" if self.silent else ""),
            (why_silent if self.silent else "") or remedy,
        )


async def _ask_stage(
    stage: StageName, fleet: EcsFleet, transport: HttpTransport, wanted: str
) -> _Asked:
    found = await fleet.endpoints(stage)
    answers = await asyncio.gather(*map(transport.health, found), return_exceptions=True)
    silent = tuple(str(answer) for answer in answers if isinstance(answer, BaseException))
    images = frozenset(
        answer.image_tag
        for answer in answers
        if not isinstance(answer, BaseException) and answer.image_tag
    )
    return _Asked(ROLES[stage], len(found), silent, images, wanted)


def address(stack: Stack) -> Finding:
    """Check that the stack admits this machine's address; asked when a task does not answer."""
    from driver.cloud.own_address import admission_remedy, is_admitted, own_address

    if stack.address_kind == "private":
        remedy = "does this machine's network reach the VPC? address_kind is private"
        return Finding("address", True, "the private addresses of the tasks are used", remedy)
    own, allowed = own_address(), stack.allowed_cidrs
    remedy = admission_remedy(own, allowed)
    if own is None:
        return Finding("address", True, "this machine's public address is unknown", remedy)
    if is_admitted(own, allowed):
        return Finding("address", True, f"{own} is in allowed_cidrs", remedy)
    seen = f"{own} is not in allowed_cidrs ({', '.join(allowed) or 'empty'})"
    return Finding("address", False, seen, remedy, admit=own)


async def _signed_request(stack: Stack, fleet: EcsFleet, transport: HttpTransport) -> Finding:
    from mapreduce.wire.messages import Done, SplitRule, SplitTask

    step = "signed request"
    splitters = await fleet.endpoints("split")
    if not splitters:
        return Finding(step, False, "no splitter to ask", f"{COMMAND} stack start")
    task = SplitTask(run="doctor", store=stack.store, inputs=(), cut=SplitRule(splits=1))
    try:
        events = [event async for event in transport.run(splitters[0], task)]
    except MapReduceError as exc:
        return Finding(step, False, str(exc), SEE_LOGS)
    done = bool(events) and isinstance(events[-1], Done)
    seen = "did a task" if done else f"refused it: {events[-1]}"
    return Finding(
        step, done, f"{splitters[0].name} {seen}", "was the key replaced? run ./deploy.sh again"
    )
