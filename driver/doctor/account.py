"""Checks the account before a deployment: credentials, and the quotas and rights that it needs.

What the credentials may not ask is said, and passes: a deployment may work without the answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from driver.doctor.finding import Finding
from mapreduce.errors import FleetError

if TYPE_CHECKING:
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.needs import Needs
    from driver.cloud.deploy.quotas import Capacity, Kind
    from driver.cloud.deploy.simulation import Simulated

Answer = TypeVar("Answer")
NOT_ASKED = "cannot be asked with these credentials; going on without"
LEARNER_LAB = "LabRole"
LAB_REGIONS = ("us-east-1", "us-west-2")
"""The regions of AWS Academy's learner labs, as their pages say."""
SKIP_RIGHTS_VARIABLE = "MAPREDUCE_SKIP_RIGHTS"


def signed_in(region: str) -> tuple[Finding, Aws | None]:
    """Check the credentials; return AWS in a region too, None if they do not serve."""
    from driver.cloud.aws import Aws

    try:
        aws = Aws(region)
    except FleetError as exc:
        return Finding("credentials", False, str(exc), "sign in to AWS"), None
    found = identity(aws)[0]
    return found, aws if found.ok else None


def identity(aws: Aws) -> tuple[Finding, str]:
    """Check the credentials' identity; return the ARN of the caller too, "" without one."""
    from driver.cloud.aws import explained

    try:
        with explained():
            found = aws.sts.get_caller_identity()
    except FleetError as exc:
        return Finding("credentials", False, str(exc), "then run this again"), ""
    seen = f"account {found['Account']}, {found['Arn']}"
    return Finding("credentials", True, seen), found["Arn"]


def examine_account(aws: Aws, needs: Needs, caller: str) -> Iterator[Finding]:
    """Yield findings of the quotas and rights that a deployment needs.

    Args:
        aws: AWS in the region of the deployment.
        needs: what it makes.
        caller: the ARN of the credentials.
    """
    unknown = []
    for found in quotas(aws, needs, caller.split(":")[4]):
        if found.seen == NOT_ASKED:
            unknown.append(found.step)
        else:
            yield found
    if unknown:
        yield Finding("other quotas", True, f"{', '.join(unknown)}: {NOT_ASKED}")
    if needs.existing_role:
        yield from existing_role(aws, needs)
    else:
        yield rights(aws, needs, caller)


def quotas(aws: Aws, needs: Needs, account: str) -> Iterator[Finding]:
    """Yield a finding for each quota of which the deployment uses up something."""
    from driver.cloud.deploy.quotas import KINDS

    yield from vcpus(aws, needs)
    for kind in KINDS:
        if found := resource_quota(aws, needs, account, kind):
            yield found
    if needs.role_names and (found := role_quota(aws, needs)):
        yield found


def vcpus(aws: Aws, needs: Needs) -> Iterator[Finding]:
    """Check the quotas of vCPUs, each against what runs already and what will."""
    from driver.cloud.deploy.quotas import FARGATE_CODES, limit_of, vcpus_in_use

    wanted: dict[Capacity, float] = {
        "on-demand": needs.on_demand_vcpus,
        "spot": needs.spot_vcpus,
    }
    used = _asked(lambda: vcpus_in_use(aws, besides=needs.name))
    for capacity, code in FARGATE_CODES.items():
        step, new = f"Fargate {capacity} quota", wanted[capacity]
        if not new:
            continue
        limit = _asked(lambda code=code: limit_of(aws, "fargate", code))  # type: ignore[misc]
        if limit is None:
            yield Finding(step, True, NOT_ASKED)
            continue
        in_use, complete = (used[0][capacity], used[1]) if used else (0.0, False)
        others = f"{in_use:g} in use by other stacks" if complete or in_use else "others unknown"
        yield Finding(
            step,
            in_use + new <= limit,
            f"{limit:g} vCPUs, {new:g} needed, {others}",
            f"lower {_either(needs.fewer)}, stop other stacks, or "
            f"{_raise(needs.region, 'fargate', code)}",
        )


def resource_quota(aws: Aws, needs: Needs, account: str, kind: Kind) -> Finding | None:
    """Check a quota of things that the deployment makes; None if it makes none of them."""
    from driver.cloud.deploy.quotas import limit_of

    wanted = kind.wanted(needs, account)
    if not wanted:
        return None
    existing = _asked(lambda: list(kind.existing(aws)))
    limit = _asked(lambda: limit_of(aws, kind.service, kind.code))
    if existing is None or limit is None:
        return Finding(kind.what, True, NOT_ASKED)
    new = len(wanted - set(existing))
    if not new:
        return None
    remedy = ", ".join(
        [
            "delete one that is no longer needed",
            *([kind.instead] if kind.instead else []),
            f"or {_raise(needs.region, kind.service, kind.code)}",
        ]
    )
    seen = f"{len(existing)} of {limit:g}, {new} more needed"
    return Finding(kind.what, len(existing) + new <= limit, seen, remedy)


def role_quota(aws: Aws, needs: Needs) -> Finding | None:
    """Check the quota of IAM roles; None if none is made."""
    from driver.cloud.deploy.quotas import roles_in_use

    step = "IAM roles in the account"
    found = _asked(lambda: roles_in_use(aws, needs.role_names))
    if found is None:
        return Finding(step, True, NOT_ASKED)
    used, limit, new = found
    if not new:
        return None
    remedy = (
        "delete roles that are no longer needed, or use an existing one: "
        f"{needs.deploy} --role NAME"
    )
    return Finding(step, used + new <= limit, f"{used} of {limit}, {new} more needed", remedy)


def existing_role(aws: Aws, needs: Needs) -> Iterator[Finding]:
    """Check the role that serves instead of new ones; of a learner lab, the region too.

    The rights of a lab are not asked: it denies the question.
    """
    from driver.cloud.aws import ClientError, explained

    step = "existing role"
    try:
        with explained():
            try:
                arn = aws.iam.get_role(RoleName=needs.existing_role)["Role"]["Arn"]
                yield Finding(step, True, arn)
            except ClientError as exc:
                if exc.response.get("Error", {}).get("Code") != "NoSuchEntity":
                    raise
                remedy = f"name another: {needs.deploy} --role NAME; of a learner lab it is LabRole"
                yield Finding(step, False, f"there is no role {needs.existing_role}", remedy)
    except FleetError:
        yield Finding(step, True, NOT_ASKED)
    if needs.existing_role == LEARNER_LAB and needs.region not in LAB_REGIONS:
        yield Finding(
            "learner lab",
            True,
            f"labs allow {' and '.join(LAB_REGIONS)} only, and this is {needs.region}: if it fails,"
            f" {needs.deploy} --region {LAB_REGIONS[0]}",
        )


def rights(aws: Aws, needs: Needs, caller: str) -> Finding:
    """Check that the caller's policies allow each action that the deployment needs."""
    from driver.cloud.deploy.simulation import simulate

    step = "rights"
    if os.environ.get(SKIP_RIGHTS_VARIABLE):
        return Finding(step, True, f"not asked: {SKIP_RIGHTS_VARIABLE} is set")
    if caller.endswith(":root"):
        return Finding(step, True, "the root user may do everything; a user of IAM is safer")
    try:
        found = _answer(lambda: simulate(aws, caller, needs))
    except FleetError as exc:
        return Finding(step, True, f"{NOT_ASKED} ({exc})")
    if found is None:
        return Finding(step, True, NOT_ASKED)
    return _of_rights(step, found)


def _of_rights(step: str, found: Simulated) -> Finding:
    unsure = f"; {len(found.unsure)} depend on conditions" if found.unsure else ""
    if not found.denied:
        return Finding(step, True, f"{found.asked} actions, none is denied{unsure}")
    return Finding(
        step,
        False,
        f"IAM denies {len(found.denied)} of {found.asked} actions: {', '.join(found.denied)}",
        "ask for them (docs/how-to/when-aws-says-no.md), or, if you know that IAM's simulation is "
        f"wrong here: export {SKIP_RIGHTS_VARIABLE}=1",
    )


def _either(words: Sequence[str]) -> str:
    """Return words as a list for people."""
    return " or ".join([*([", ".join(words[:-1])] if words[:-1] else []), *words[-1:]])


def _answer(ask: Callable[[], Answer]) -> Answer:
    """Ask AWS; raises `FleetError`."""
    from driver.cloud.aws import explained

    with explained():
        return ask()


def _asked(ask: Callable[[], Answer]) -> Answer | None:
    """Ask AWS; return None when it does not say."""
    try:
        return _answer(ask)
    except (FleetError, KeyError):
        return None


def _raise(region: str, service: str, code: str) -> str:
    place = f"{region}.console.aws.amazon.com/servicequotas/home/services"
    return f"raise the quota: https://{place}/{service}/quotas/{code}"
