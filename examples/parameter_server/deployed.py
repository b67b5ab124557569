"""Where the deployed server 0 answers, and the key that signs calls to it.

Terraform's outputs name the service and the key's parameter, ECS the task, Systems Manager the key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import boto3

from examples import deployed as stacks
from mapreduce.errors import FleetError

TERRAFORM: Final = Path(__file__).with_name("terraform")
SERVER: Final = "parameter-server"


class Stack(stacks.StackOutputs):
    """What is needed of Terraform's outputs (terraform/outputs.tf has the same names)."""

    bucket: str
    signing_key_parameter: str


def deployed(folder: Path = TERRAFORM) -> Stack:
    """Return the stack that is deployed from a folder; raises `UsageError`."""
    return stacks.read_outputs(folder, Stack, "parameter_server")


def server_address(stack: Stack, session: Any = None) -> str:
    """Return host:port of the running server 0: its public address, if it has one.

    Args:
        stack: the deployed stack.
        session: a session of boto3; None makes one.

    Raises:
        FleetError: no task runs, or AWS does not tell.
    """
    found = stacks.look_up(stack, SERVER, session)()
    if not found:
        raise FleetError(
            f"no {SERVER} runs in cluster {stack.cluster} in {stack.region}; its log and "
            "`python -m driver stack wait --system parameter_server` say why"
        )
    return found[0]


def signing_key(stack: Stack, session: Any = None) -> str:
    """Return the key that signs calls.

    Args:
        stack: the deployed stack.
        session: a session of boto3; None makes one.

    Raises:
        FleetError: Systems Manager does not tell it.
    """
    with stacks.aws_asked(
        f"the signing key cannot be read; you need ssm:GetParameter on "
        f"{stack.signing_key_parameter}"
    ):
        session = session or boto3.Session(region_name=stack.region)
        found = session.client("ssm").get_parameter(
            Name=stack.signing_key_parameter, WithDecryption=True
        )
    return str(found["Parameter"]["Value"])


def credentials() -> Any:
    """Return this machine's credentials for the object store: SSO, profile, role or keys.

    Raises:
        FleetError: there are none.
    """
    from obstore.auth.boto3 import Boto3CredentialProvider

    with stacks.aws_asked("the AWS credentials cannot be read"):
        session = boto3.Session()
        if session.get_credentials() is None:
            raise FleetError("there are no AWS credentials; run: aws configure, or aws sso login")
        return Boto3CredentialProvider(session)
