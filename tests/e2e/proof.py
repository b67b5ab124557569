"""The subject of a proof, and the steps that each system has: deploy, look, destroy.

A system's proof is `prove(log, proof)` in tests/e2e/systems/NAME.py. It begins with `deployed`,
ends with `destroyed`, and has its own steps between them. In the emulator these differ from AWS:

- each container has an address of its own, also where a task has several: `stack.boxes(ROLE)`;
- the registrar keeps Cloud Map as the tasks are, within two seconds. An instance is HEALTHY once
  the image's HEALTHCHECK is, which looks first after its interval. DiscoverInstances knows the
  filters ALL and HEALTHY, and no filter means ALL;
- `NAME.NAMESPACE` of a stack with service_discovery = "dns" resolves in a container, to healthy
  instances, if the engine was started here (a system that needs it says `resolves=True`);
- a service rolls by its minimum and maximum percent; a container that Docker calls unhealthy is not
  replaced;
- S3 denies a container what its role's policy denies, after `deployed`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import policies, remains, stack
from tests.e2e.emulator import Emulator
from tests.e2e.log import Log, Note, StepFailed
from tests.e2e.stack import Box, DeployedStack
from tests.requirement import everything_is_required, fault_of_a_skip

Prepare = Callable[[str, Mapping[str, object]], DeployedStack]
"""Returns another stack of the system in a checkout of its own, from a name and more variables of
Terraform."""

# the user and capabilities of the service, process 1; then a write to a forbidden path
LOOKS = """
import re
status = open("/proc/1/status").read()
print(re.search(r"Uid:\\t(\\d+)", status)[1], re.search(r"CapBnd:\\t0*(\\w+)", status)[1])
{allowed}
open("/x", "w")
"""
RESOLVE = """
import socket
try:
    found = socket.getaddrinfo({name!r}, None, type=socket.SOCK_STREAM)
except socket.gaierror as exc:
    if exc.errno != socket.EAI_NONAME:
        raise
    found = []
print(*(address for *_, (address, _) in found))
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """The subject of the proof: stack, emulator, base of the images, texts of the command line,
    temporary folder, the requests of the containers to S3, how another stack is prepared, and the
    only part of the steps to take, or "".
    """

    stack: DeployedStack
    cloud: Emulator
    base: str
    inputs: list[Path]
    folder: Path
    watch: policies.Watch
    another: Prepare
    only: str = ""


def deployed(log: Log, proof: Proof) -> None:
    """Deploy, twice; then let the policies of the roles hold."""
    made = proof.stack
    with log.step("./deploy.sh") as note:
        deployed = made.deploy()
        said = [*deployed.err.splitlines(), *deployed.out.splitlines()]
        note("; ".join(line for line in said if line.startswith(("Apply", "costs"))))
        roles = made.outputs()["services"]
        note(f"containers: {', '.join(f'{len(made.boxes(role))} {role}' for role in roles)}")
    with log.step("./deploy.sh again changes nothing", vital=False) as note:
        again = made.deploy().err
        if "0 added, 0 changed, 0 destroyed" not in again or "building" in again:
            raise StepFailed(again)
        note("no image built, nothing added, changed or destroyed")
    with log.step("terraform plan is empty", vital=False) as note:
        made.check_that_the_plan_is_empty()
        note(
            "with an override: the emulator forgets availability_zone_rebalancing of an ECS service"
        )
    with log.step("the roles' policies hold from here on", vital=False) as note:
        proof.watch.enforce(policies.of_state(made.resources(), made.name))
        note("S3 denies the containers what the policy of their role denies")


def sealed(log: Log, proof: Proof, role: str, writable: str = "") -> None:
    """Look at a service's containers: they are sealed as on Fargate.

    Args:
        log: of the proof.
        proof: its subject.
        role: the service.
        writable: the folder into which it may write.
    """
    made = proof.stack
    with log.step("containers: sealed as on Fargate", vital=False) as note:
        if not made.engine.own:
            not_looked_at(note)
        for one in made.boxes(role) if made.engine.own else ():
            allowed = f'open("{writable}/x", "w")' if writable else ""
            tried = made.python_in(one, LOOKS.format(allowed=allowed), ok=(1,))
            if tried.out.strip() != "10001 0" or "Read-only file system: '/x'" not in tried.err:
                raise StepFailed(f"{one.name}: {tried.out}{tried.err}")
            also = f", and /{writable.strip('/')} writable" if writable else ""
            note(f"{one.name}: user 10001 without capabilities, the root read-only{also}")


def allowed(log: Log, proof: Proof, roles: Collection[str]) -> None:
    """Check that the policies allow all that was asked of S3, and that these roles asked."""
    with log.step("every request of the containers is allowed by their role", vital=False) as note:
        note(proof.watch.check(roles))


def destroyed(log: Log, proof: Proof, role: str) -> None:
    """Destroy the stack, with a second version of a role's task definition; look what is left."""
    made = proof.stack
    with log.step("a task definition that Terraform's state does not name", vital=False) as note:
        again = remains.register_again(proof.cloud, made.name, role)
        note(f"registered {again}, as a lost answer does")
    with log.step("./destroy.sh --yes") as note:
        destroyed = made.destroy()
        note("; ".join((destroyed.err + destroyed.out).strip().splitlines()))
    with log.step("nothing is left") as note:
        left = remains.remains(proof.cloud, made.name)
        left += [f"container: {one.name}" for one in made.boxes()]
        if left:
            raise StepFailed("\n".join(left))
        note(f"no container, no {', no '.join(remains.QUESTIONS)}")


def resolved_in(
    made: DeployedStack, box: Box, name: str, limit_s: float = stack.SETTLE_S
) -> set[str]:
    """Return the addresses of a name in a container, or none if it does not resolve until then."""
    until = time.monotonic() + limit_s
    while True:
        found = made.python_in(box, RESOLVE.format(name=name)).out.split()
        if found or time.monotonic() > until:
            return set(found)
        time.sleep(1)


def not_looked_at(note: Note) -> None:
    """Say that a step needs an engine that is started here.

    Raises:
        StepFailed: nothing may be skipped.
    """
    said = "it needs an engine that is started here, and this machine has its own"
    if fault := fault_of_a_skip(said, required=everything_is_required()):
        raise StepFailed(fault)
    note(f"not looked at: {said}")
