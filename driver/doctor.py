"""Checks every step from this machine to a service's answer; each finding has a remedy."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from driver.cloud.stack import Stack, read_stack
from driver.cloud.terraform import terraform_folder
from driver.text import bytes_text
from driver.transport.endpoint import ROLES, Role
from mapreduce import native
from mapreduce.errors import FleetError, MapReduceError

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

    from driver.cloud.aws import Aws

TERRAFORM_AT_LEAST = (1, 11)
FARGATE_VCPU_QUOTA = "L-3032A538"
FREE_DISK_BYTES = 1 << 30
START_DOCKER = "start Docker (Docker Desktop, or: sudo systemctl start docker)"
SEE_LOGS = "see: python -m driver logs"
BUILD_IT = "python -m mapreduce.native builds it, with a C compiler"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: its name, whether it works, what was seen, and the remedy if it does not.

    With `final`, it will not work by itself either.
    """

    step: str
    ok: bool
    seen: str
    remedy: str = ""
    final: bool = False


Check = Callable[[], Finding]


def examine() -> Iterator[Finding]:
    """Yield findings of this machine, then of the stack; stop at a step that others need."""
    yield python()
    yield native_extension()
    yield scratch()
    folder = terraform_folder()
    try:
        stack = read_stack(folder)
    except FleetError as exc:
        yield Finding("stack", False, str(exc), "repair it, or use --target local")
        return
    if stack is None:
        yield Finding(
            "stack",
            True,
            "nothing is deployed; --target local and inline work, ./deploy.sh deploys",
        )
        return
    yield Finding("stack", True, f"{stack.name} in {stack.region}, images {stack.image_tag}")
    yield from examine_stack(stack)


def examine_before_deploy(region: str | None, vcpus_needed: float) -> Iterator[Finding]:
    """Yield findings of all that deploy.sh needs before it changes anything.

    Args:
        region: the region to deploy to; None for the environment's.
        vcpus_needed: vCPUs of all tasks together.
    """
    from driver.cloud.aws import Aws

    yield python()
    yield terraform()
    yield docker()
    try:
        aws = Aws(region)
    except FleetError as exc:
        yield Finding("credentials", False, str(exc), "sign in to AWS")
        return
    if not aws.region:
        yield Finding("region", False, "no region is set", "export AWS_REGION=us-east-1")
        return
    yield Finding("region", True, aws.region)
    identity = credentials(aws)
    yield identity
    if identity.ok:
        yield fargate_quota(aws, vcpus_needed)


def python() -> Finding:
    """Check the interpreter's version."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")


def native_extension() -> Finding:
    """Return whether the native extension is in use; without it, runs are slower."""
    seen = "in use"
    if native.extension is None:
        seen = f"{native.why_not}; Python does its work, more slowly ({BUILD_IT})"
    return Finding("native extension", True, seen)


def scratch() -> Finding:
    """Check the disk of intermediate files."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    return Finding(
        "scratch disk",
        free >= FREE_DISK_BYTES and os.access(folder, os.W_OK),
        f"{bytes_text(free)} free in {folder}",
        "free some space, or set TMPDIR",
    )


def terraform() -> Finding:
    """Check Terraform's version: ephemeral values and write-only arguments need a recent one."""
    out = _output_of("terraform", "version")
    found = re.search(r"v(\d+)\.(\d+)\.(\d+)", out or "")
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return Finding(
        "terraform",
        version >= TERRAFORM_AT_LEAST,
        found[0] if found else "not found",
        "install Terraform 1.11 or newer: developer.hashicorp.com/terraform/install",
    )


def docker() -> Finding:
    """Check that a Docker engine answers."""
    version = _output_of("docker", "version", "--format", "{{.Server.Version}}")
    missing = shutil.which("docker") is None
    return Finding(
        "docker",
        bool(version),
        version or ("not found" if missing else "installed, but its engine does not answer"),
        "install Docker" if missing else START_DOCKER,
    )


def credentials(aws: Aws) -> Finding:
    """Check the credentials' identity."""
    from driver.cloud.aws import explained

    try:
        with explained():
            identity = aws.sts.get_caller_identity()
    except FleetError as exc:
        return Finding("credentials", False, str(exc), "then run this again")
    return Finding("credentials", True, f"account {identity['Account']}, {identity['Arn']}")


def fargate_quota(aws: Aws, vcpus_needed: float) -> Finding:
    """Check the account's vCPU quota; credentials that may not read it pass."""
    from driver.cloud.aws import explained

    try:
        with explained():
            quota = aws.quotas.get_service_quota(
                ServiceCode="fargate", QuotaCode=FARGATE_VCPU_QUOTA
            )["Quota"]["Value"]
    except (FleetError, KeyError):
        return Finding(
            "Fargate quota", True, "cannot be asked with these credentials; going on without"
        )
    return Finding(
        "Fargate quota",
        quota >= vcpus_needed,
        f"{quota:g} vCPUs, {vcpus_needed:g} needed",
        "lower mapper_count or mapper_cpu, or raise the quota: Service Quotas, AWS Fargate",
    )


def examine_stack(stack: Stack) -> Iterator[Finding]:
    """Yield findings of the stack: credentials, bucket, services, endpoints, a signed request."""
    from driver.cloud.aws import Aws

    try:
        aws = Aws(stack.region)
    except FleetError as exc:
        yield Finding("credentials", False, str(exc), "sign in to AWS")
        return
    identity = credentials(aws)
    yield identity
    if not identity.ok:
        return
    yield _guarded(
        "bucket", lambda: _bucket(stack, aws), "is the stack destroyed, or in another account?"
    )
    for role in stack.services:
        yield service(stack, aws, role)
    yield from _guarded_answers(stack, aws)


def _guarded(step: str, check: Callable[[], str], remedy: str) -> Finding:
    """Return the finding of a check that returns what it saw, or raises."""
    try:
        return Finding(step, True, check())
    except MapReduceError as exc:
        return Finding(step, False, str(exc), remedy)


def _bucket(stack: Stack, aws: Aws) -> str:
    from mapreduce.storage import open_storage

    storage = open_storage(credentials=aws.credential_provider(), region=stack.region)
    count = sum(1 for _ in storage.list(f"{stack.store}/runs"))
    return f"{stack.store} can be read ({count} records of runs)"


def service(stack: Stack, aws: Aws, role: Role) -> Finding:
    """Check that a service runs all its tasks, of the version that Terraform made."""
    from driver.cloud.rollout import fault_of

    step, wanted = f"{role} service", stack.services[role].task_definition_arn
    try:
        found = _described(stack, aws, stack.services[role].service_name)
    except FleetError as exc:
        return Finding(step, False, str(exc), SEE_LOGS)
    if fault := fault_of(found["deployments"], wanted):
        group = stack.services[role].log_group
        remedy = f"see: aws logs tail {group} --since 30m; then run ./deploy.sh again"
        return Finding(step, False, fault.why, remedy, final=fault.final)
    seen = f"{found['runningCount']} of {found['desiredCount']} tasks run"
    if found["runningCount"] < found["desiredCount"]:
        last = next(
            (event["message"] for event in found.get("events", [])), "ECS has said nothing yet"
        )
        return Finding(step, False, f"{seen}: {last}", SEE_LOGS)
    if not found["desiredCount"]:
        return Finding(step, False, f"{seen}: it is stopped", "make start")
    return Finding(step, True, seen)


def _described(stack: Stack, aws: Aws, name: str) -> ServiceTypeDef:
    from driver.cloud.aws import explained

    with explained():
        services = aws.ecs.describe_services(cluster=stack.cluster, services=[name])["services"]
    if not services:
        raise FleetError(f"there is no service {name}; run ./deploy.sh")
    return services[0]


def _guarded_answers(stack: Stack, aws: Aws) -> Iterator[Finding]:
    """Yield findings of each endpoint's health, and of one signed request to a worker."""
    try:
        answers = asyncio.run(_ask_all(stack, aws))
    except MapReduceError as exc:
        yield Finding("endpoints", False, str(exc), SEE_LOGS)
        return
    yield from answers


async def _ask_all(stack: Stack, aws: Aws) -> list[Finding]:
    from driver.cloud.ecs import EcsFleet
    from driver.transport.http import HttpTransport

    fleet = EcsFleet(stack, aws)
    findings: list[Finding] = []
    async with HttpTransport(fleet.signing_key(), heartbeat_timeout_s=15) as transport:
        for stage in ROLES:
            found = await fleet.endpoints(stage)
            answers = await asyncio.gather(*map(transport.health, found), return_exceptions=True)
            silent = [str(answer) for answer in answers if isinstance(answer, BaseException)]
            well = len(found) - len(silent)
            findings.append(
                Finding(
                    f"{ROLES[stage]} endpoints",
                    bool(found) and not silent,
                    f"{well} of {len(found)} answer" + (f"; {silent[0]}" if silent else ""),
                    _why_silent(stack) if silent else SEE_LOGS,
                )
            )
        findings.append(await _signed_request(stack, fleet, transport))
    return findings


def _why_silent(stack: Stack) -> str:
    """Return the remedy for tasks that run and do not answer."""
    from driver.cloud.own_address import admission_remedy, own_address

    if stack.address_kind == "private":
        return "does this machine's network reach the VPC? address_kind is private"
    return admission_remedy(own_address(), stack.allowed_cidrs)


async def _signed_request(stack: Stack, fleet: object, transport: object) -> Finding:
    from driver.cloud.ecs import EcsFleet
    from driver.transport.http import HttpTransport
    from mapreduce.wire.messages import Done, SplitRule, SplitTask

    assert isinstance(fleet, EcsFleet)
    assert isinstance(transport, HttpTransport)
    step = "signed request"
    splitters = await fleet.endpoints("split")
    if not splitters:
        return Finding(step, False, "no splitter to ask", "make start")
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


def _output_of(*command: str) -> str | None:
    """Return the output of a command, or None when it cannot be run or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, cwd=Path.home()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
