"""Where the tasks of the deployed album service answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from examples import deployed as stacks

TERRAFORM = Path(__file__).with_name("terraform")


class Deployed(stacks.StackOutputs):
    """What the addresses need of Terraform's outputs (terraform/outputs.tf has the same names)."""

    load_balancer_url: str | None = None


def deployed(folder: Path = TERRAFORM) -> Deployed:
    """Return the stack that is deployed from a folder; raises `UsageError`."""
    return stacks.read_outputs(folder, Deployed, "albums")


def look_up(stack: Deployed) -> Callable[[], Sequence[str]]:
    """Return a function that looks up the tasks' addresses, `http://ADDRESS:PORT` each.

    With a load balancer they are one: the balancer's. Both functions raise `FleetError`.
    """
    if stack.load_balancer_url:
        balanced = [stack.load_balancer_url]
        return lambda: balanced
    look = stacks.look_up(stack, "albums")
    return lambda: [f"http://{address}" for address in look()]
