"""The kinds of accounts and options that the stack is planned for, as Terraform's variables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from driver.cloud.terraform import system_folders
from tests.contract.emulator import Emulator, running_emulator
from tests.e2e.processes import Shell

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(file.stem for file in FOLDER.glob("*.tfvars")))
EXAMPLES = {
    f"examples/{file.stem}": system_folders()[file.stem]
    for file in sorted((FOLDER / "examples").glob("*.tfvars"))
    if file.stem in system_folders()
}
"""The variant of each example, with its root."""


@dataclass(frozen=True, slots=True)
class Account:
    """An emulated account with a role and a network that exist, and Terraform for it."""

    shell: Shell
    network: dict[str, str]

    def arguments(self, variant: str) -> list[str]:
        """Return the variables of a variant as arguments of Terraform."""
        given = self.network if variant == "company" else {}
        return [
            f"-var-file={FOLDER / variant}.tfvars",
            *(f"-var={name}={value}" for name, value in given.items()),
        ]

    def plan(self, variant: str) -> Path:
        """Return the file with the plan of a variant, as JSON."""
        name = variant.replace("/", "-")
        plan, shown = (self.shell.outputs / f"{name}.{end}" for end in ("plan", "json"))
        options = ("-input=false", "-no-color", f"-out={plan}")
        self.shell.run("terraform", "plan", *options, *self.arguments(variant))
        shown.write_text(self.shell.run("terraform", "show", "-json", plan).out)
        return shown


@contextmanager
def emulated_account(shell: Shell) -> Iterator[Account]:
    """Run an emulator, in which a course's role and a company's network exist."""
    with running_emulator("unused") as emulator:
        yield Account(
            shell.having(**emulator.environment, AWS_CONFIG_FILE="/dev/null"),
            _prepare(emulator),
        )


def _prepare(emulator: Emulator) -> dict[str, str]:
    """Make the role and the network; return the network's ids, as Terraform reads them."""
    session = boto3.Session("test", "test", region_name="us-east-1")

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=emulator.endpoint)  # type: ignore[call-overload]

    client("iam").create_role(RoleName="LabRole", AssumeRolePolicyDocument="{}")
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="172.30.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"172.30.{number}.0/24")["Subnet"]["SubnetId"]
        for number in range(2)
    ]
    return {"vpc_id": vpc, "subnet_ids": json.dumps(subnets)}
