"""Asks IAM which actions the caller's policies deny, before anything is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from driver.cloud.aws import Aws, ClientError
from driver.cloud.deploy.needs import Needs
from driver.cloud.deploy.rights import policy_source, resources_of, rights_for

AT_ONCE = 50
"""Actions in one request."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """The answer: how many actions were asked about, and which of them are denied.

    `unsure` are denied unless a condition holds whose value IAM was not given.
    """

    asked: int
    denied: tuple[str, ...]
    unsure: tuple[str, ...] = ()


def simulate(aws: Aws, caller: str, needs: Needs) -> Simulated | None:
    """Return what IAM's simulation says; None when no policy decides about the caller.

    Args:
        aws: AWS in the region of the deployment.
        caller: the ARN of the credentials.
        needs: what is made.

    Raises:
        ClientError: the caller may not simulate, or IAM does not know the caller's role.
    """
    source = policy_source(caller)
    if source is None:
        return None
    source = _with_path(aws, source)
    account = caller.split(":")[4]
    asked, denied, unsure = 0, list[str](), list[str]()
    for rights in rights_for(needs):
        resources = resources_of(rights, needs, account, aws.partition)
        for at in range(0, len(rights.actions), AT_ONCE):
            some = rights.actions[at : at + AT_ONCE]
            asked += len(some)
            for name, sure in _denied(aws, source, some, resources, needs.region):
                (denied if sure else unsure).append(name)
    return Simulated(asked, tuple(sorted(denied)), tuple(sorted(unsure)))


def _with_path(aws: Aws, source: str) -> str:
    """Return the ARN of a role with its path, which the ARN of a session leaves out."""
    if ":role/" not in source:
        return source
    try:
        return str(aws.iam.get_role(RoleName=source.rpartition("/")[2])["Role"]["Arn"])
    except ClientError:
        return source  # the simulation itself says whether this is enough


def _denied(
    aws: Aws, source: str, actions: Sequence[str], resources: Sequence[str], region: str
) -> list[tuple[str, bool]]:
    """Return the denied actions, and for each whether IAM had all values to decide."""
    pages = aws.iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=source,
        ActionNames=list(actions),
        ResourceArns=list(resources),
        ContextEntries=[
            _entry("aws:RequestedRegion", region),
            _entry("iam:PassedToService", "ecs-tasks.amazonaws.com"),
        ],
    )
    return [
        (result["EvalActionName"], not result.get("MissingContextValues"))
        for page in pages
        for result in page["EvaluationResults"]
        if result["EvalDecision"] != "allowed"
    ]


def _entry(name: str, value: str) -> dict[str, object]:
    return {"ContextKeyName": name, "ContextKeyType": "string", "ContextKeyValues": [value]}
