"""The stack's policies against the requests that its containers make to S3.

The emulator neither enforces the policies of task roles nor gives containers the credentials of
their role. So the containers reach S3 through a proxy, which knows the role of each request by the
address that it comes from, and can deny what the role's policy denies.

    with policies.watched(cloud.endpoint, engine) as watch:
        # stack.prepare(...) with extra_environment["AWS_ENDPOINT_URL_S3"] = watch.endpoint
        made.deploy()
        watch.enforce(policies.of_state(made.resources(), made.name))
        ...  # runs
        note(watch.check(["mapper"]))

The driver's requests do not pass the proxy: its rights are the user's.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from tests.contract.recorder import Recording, Request, Verdict, recorded
from tests.e2e.emulator import REGION
from tests.e2e.log import StepFailed
from tests.e2e.machine import Engine
from tests.e2e.stack import FAMILY_LABEL
from tests.policies.gate import judged_by, s3_request
from tests.policies.policy import Policy
from tests.policies.s3_actions import UnknownRequest, is_allowed

KNOWN_S = 2.0
"""How long the role of an address is taken to stay: Docker gives a freed address away again."""
SHOWN = 20
Roles = Mapping[str, str]


@dataclass
class Watch:
    """The requests of the containers so far.

    Attributes:
        recording: the proxy's.
        look: returns the role of each container's address.
        now: a clock, in seconds.
        asked: the requests, each with the role of its container, or "" if it is none's.
        policies: the policy of each role, once they are known.
    """

    recording: Recording
    look: Callable[[], Roles]
    now: Callable[[], float] = time.monotonic
    asked: list[tuple[str, Request]] = field(default_factory=list)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def endpoint(self) -> str:
        """The address of S3 for the containers."""
        return self.recording.endpoint

    def enforce(self, policies: Mapping[str, Policy]) -> None:
        """From now on, deny what the policy of a role denies."""
        self.policies = policies

    def judge(self, request: Request) -> Verdict:
        """Keep a request with its role, and decide about it."""
        role = self._role_of(request.client)
        self.asked.append((role, request))
        if not self.policies:
            return Verdict.ALLOWED
        policy = self.policies.get(role)
        return judged_by(policy)(request) if policy else Verdict.DENIED

    def check(self, roles: Collection[str]) -> str:
        """Return in words how many requests of each role its policy allows.

        Args:
            roles: must have asked.

        Raises:
            StepFailed: a policy denies a request, or one of the roles made none.
        """
        return check(self.asked, self.policies, roles)

    def _role_of(self, address: str) -> str:
        with self._lock:
            role, at = self._seen.get(address, ("", float("-inf")))
            if self.now() - at > KNOWN_S:
                found, now = self.look(), self.now()
                # a container that has just ended is not listed any more; its address stays known
                role = found.get(address, role)
                self._seen |= {each: (name, now) for each, name in found.items()}
                self._seen[address] = (role, now)
            return role


@contextmanager
def watched(endpoint: str, engine: Engine, stack: str) -> Iterator[Watch]:
    """Run the proxy on the address of Docker's bridge, until the end of the block.

    Args:
        endpoint: the emulator's address.
        engine: the engine that runs the containers.
        stack: the name of the stack whose containers they are.
    """
    with recorded(endpoint, engine.gateway) as recording:
        watch = Watch(recording, lambda: roles_of(_containers(engine), stack))
        recording.judge = watch.judge
        yield watch


def roles_of(containers: Iterable[Mapping[str, Any]], stack: str) -> dict[str, str]:
    """Return the role of each address in a stack, from the output of `docker inspect`."""
    return {
        network["IPAddress"]: each["Config"]["Labels"][FAMILY_LABEL].removeprefix(f"{stack}-")
        for each in containers
        for network in each["NetworkSettings"]["Networks"].values()
        if network["IPAddress"]
    }


def of_state(show: str, stack: str) -> dict[str, Policy]:
    """Return the policy of each role that has one, from the output of `terraform show -json`.

    Args:
        show: the output.
        stack: the name of the stack: it begins the names of its IAM roles, STACK-REGION-ROLE.

    Raises:
        StepFailed: no role has a policy.
    """
    documents: dict[str, list[str]] = {}
    for resource in _resources(json.loads(show)["values"]["root_module"]):
        if resource["type"] == "aws_iam_role_policy":
            values = resource["values"]
            documents.setdefault(values["role"], []).append(values["policy"])
    start = f"{stack}-{REGION}-"
    found = {
        role.removeprefix(start): Policy.of(*each)
        for role, each in documents.items()
        if role.startswith(start)
    }
    if not found:
        raise StepFailed(f"the state has no policy of a role {start}...")
    return found


def check(
    asked: Iterable[tuple[str, Request]], policies: Mapping[str, Policy], roles: Collection[str]
) -> str:
    """Return in words how many requests of each role its policy allows.

    Args:
        asked: requests, each with its role.
        policies: the policy of each role.
        roles: must have asked.

    Raises:
        StepFailed: a policy denies a request, one is no role's, or one of the roles made none.
    """
    allowed: Counter[str] = Counter()
    wrong: list[str] = []
    for role, request in asked:
        fault = _fault(policies.get(role), request)
        if fault:
            wrong.append(f"{role or request.client}: {request.method} {request.target}: {fault}")
        else:
            allowed[role] += 1
    wrong += [f"{role}: no request was seen" for role in roles if not allowed[role]]
    if wrong:
        raise StepFailed("\n".join(wrong[:SHOWN]))
    return ", ".join(f"{n} requests of {role}" for role, n in allowed.items()) + ": all allowed"


def _fault(policy: Policy | None, request: Request) -> str:
    if policy is None:
        return "it comes from no service"
    try:
        return "" if is_allowed(policy, s3_request(request)) else "the policy denies it"
    except UnknownRequest:
        return "no action is known for it"


def _containers(engine: Engine) -> list[dict[str, Any]]:
    ids = engine.docker("ps", "--quiet", "--filter", f"label={FAMILY_LABEL}").split()
    found: list[dict[str, Any]] = json.loads(engine.docker("inspect", *ids)) if ids else []
    return found


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)
