"""Other accounts: a course's, whose one role serves all, without Cloud Map; and a company's, with
its own network, without public addresses, and with a limit on all roles.

Each is another stack in the same account, from another checkout, beside the one of the proof.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e import remains, runs
from tests.e2e.emulator import Emulator
from tests.e2e.log import Log, Note, StepFailed
from tests.e2e.proof import Prepare, not_looked_at, resolved_in
from tests.e2e.stack import DeployedStack

LAB, LAB_ROLE = "mapreduce-lab", "LabRole"
COMPANY, PATH, BOUNDARY = "mapreduce-team", "/team/", "team-boundary"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
ALLOWED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


@dataclass(frozen=True, slots=True)
class Account:
    """What an administrator has made in the account before."""

    cloud: Emulator

    def make_lab_role(self) -> None:
        """Make the role of a course."""
        self._client("iam").create_role(
            RoleName=LAB_ROLE, AssumeRolePolicyDocument=json.dumps(TRUST)
        )

    def make_network(self) -> tuple[str, list[str]]:
        """Make a VPC with two subnets; return their ids."""
        ec2 = self._client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        blocks = ("10.77.0.0/24", "10.77.1.0/24")
        made = [ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"] for block in blocks]
        return vpc, [subnet["SubnetId"] for subnet in made]

    def make_boundary(self) -> str:
        """Make the policy that limits all roles; return its ARN."""
        made = self._client("iam").create_policy(
            PolicyName=BOUNDARY, PolicyDocument=json.dumps(ALLOWED)
        )
        return str(made["Policy"]["Arn"])

    def roles(self, name: str) -> list[dict[str, Any]]:
        """Return the roles of a stack."""
        iam = self._client("iam")
        names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
        return [iam.get_role(RoleName=each)["Role"] for each in names if each.startswith(name)]

    def namespaces(self) -> list[str]:
        """Return the names of all Cloud Map namespaces."""
        found = self._client("servicediscovery").list_namespaces()["Namespaces"]
        return [each["Name"] for each in found]

    def remove_lab_role(self) -> None:
        """Remove the role of a course."""
        self._client("iam").delete_role(RoleName=LAB_ROLE)

    def remove_network(self, vpc: str, subnets: list[str], boundary: str) -> None:
        """Remove the VPC, its subnets and the policy that limits roles."""
        ec2 = self._client("ec2")
        for subnet in subnets:
            ec2.delete_subnet(SubnetId=subnet)
        ec2.delete_vpc(VpcId=vpc)
        self._client("iam").delete_policy(PolicyArn=boundary)

    def vpcs(self) -> set[str]:
        """Return the ids of all VPCs."""
        return {each["VpcId"] for each in self._client("ec2").describe_vpcs()["Vpcs"]}

    def _client(self, service: str) -> remains.Client:
        return remains.clients(self.cloud)(service)


def course(log: Log, prepare: Prepare, cloud: Emulator, book: Path, folder: Path) -> None:
    """Deploy, run and destroy in a course's account."""
    account = Account(cloud)
    account.make_lab_role()
    with log.step("a second stack, of a course: ./deploy.sh --role LabRole", vital=False) as note:
        made = prepare(LAB, {"mapper_count": 1})
        note(_last(made.deploy("--role", LAB_ROLE).out))
        if found := [role["RoleName"] for role in account.roles(LAB)]:
            raise StepFailed(f"roles were made: {found}")
        if LAB in account.namespaces():
            raise StepFailed("a Cloud Map namespace was made")
        note("no role and no Cloud Map namespace were made")
        _count(made, book, folder / "lab.json", note)
        note(_last(made.destroy().out))
    account.remove_lab_role()


def company(log: Log, prepare: Prepare, cloud: Emulator, book: Path, folder: Path) -> None:
    """Deploy, run and destroy in a company's account."""
    account = Account(cloud)
    vpc, subnets = account.make_network()
    boundary = account.make_boundary()
    with log.step(
        "a company's stack: its network, private, its limit on roles", vital=False
    ) as note:
        rules = {
            "mapper_count": 1,
            "vpc_id": vpc,
            "subnet_ids": subnets,
            "assign_public_ip": False,
            "role_path": PATH,
            "permissions_boundary_arn": boundary,
            "service_discovery": "dns",
        }
        made = prepare(COMPANY, rules)
        before = account.vpcs()
        note(_last(made.deploy().out))
        if account.vpcs() != before:
            raise StepFailed("a VPC was made")
        roles = account.roles(COMPANY)
        if (
            wrong := [role["RoleName"] for role in roles if _unlimited(role, boundary)]
        ) or not roles:
            raise StepFailed(f"roles without the path or the limit: {wrong or 'there are none'}")
        note(f"{len(roles)} roles, all in {PATH} and under the limit; no VPC was made")
        _resolve(made, note)
        _count(made, book, folder / "company.json", note)
        note(_last(made.destroy().out))
        if vpc not in account.vpcs():
            raise StepFailed("the company's VPC is gone")
    account.remove_network(vpc, subnets, boundary)


def _resolve(made: DeployedStack, note: Note) -> None:
    """Ask in a mapper for the names of the mappers, and of none."""
    if not made.engine.own:
        not_looked_at(note)
        return
    (mapper,) = made.boxes("mapper")
    name = f"mapper.{made.name}.internal"
    found = resolved_in(made, mapper, name)
    if found != {mapper.address}:
        raise StepFailed(f"{name} is {sorted(found)}, and the mapper has {mapper.address}")
    if other := resolved_in(made, mapper, f"nothing.{made.name}.internal", limit_s=0):
        raise StepFailed(f"nothing.{made.name}.internal is {sorted(other)}")
    note(f"{name} is {mapper.address} to a container; another name does not exist")


def _unlimited(role: Mapping[str, Any], boundary: str) -> bool:
    """Return whether a role lacks the company's path or its boundary."""
    limit = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return bool(role["Path"] != PATH or limit != boundary)


def _count(made: DeployedStack, book: Path, output: Path, note: Note) -> None:
    answer = runs.count(made, [book], output, "--chunks", "4", "--fresh")
    runs.check_counts(answer, [book])
    note(f"{len(answer.counts)} words, as counted plainly")


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith(("Apply", "Destroy", "nothing"))]
    return "; ".join(lines)
