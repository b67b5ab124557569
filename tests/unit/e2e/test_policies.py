"""The watch over the containers' requests to S3, on requests recorded from a run with --sort, and
on a state with the policies that Terraform planned for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.recorder import Recording, Request, Verdict
from tests.e2e import policies
from tests.e2e.log import StepFailed
from tests.e2e.policies import KNOWN_S, Watch

SAMPLES = Path(__file__).with_name("samples")
ADDRESSES = {"172.17.0.2": "splitter", "172.17.0.3": "mapper", "172.17.0.4": "reducer"}
ROLES = tuple(ADDRESSES.values())
STACK = "mapreduce-e2e"
STATE = (SAMPLES / "state.json").read_text()


def _requests() -> list[Request]:
    lines = (SAMPLES / "requests.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [Request(**{**each, "query": tuple(each["query"])}) for each in found]


def _watch(look: Mapping[str, str] = ADDRESSES) -> Watch:
    watch = Watch(Recording(), lambda: look, now=lambda: 0.0)
    watch.enforce(policies.of_state(STATE, STACK))
    return watch


def test_the_requests_of_a_run_are_allowed() -> None:
    """Each recorded request is allowed by the policy of its container's role."""
    watch = _watch()
    verdicts = {watch.judge(each) for each in _requests()}
    assert {Verdict.ALLOWED} == verdicts
    counts = [sum(each.client == address for each in _requests()) for address in ADDRESSES]
    expected = ", ".join(
        f"{count} requests of {role}"
        for count, role in zip(counts, ADDRESSES.values(), strict=True)
    )
    assert f"{expected}: all allowed" == watch.check(ROLES)


def test_a_request_of_another_role_is_denied_and_named() -> None:
    """A mapper's write that comes from a reducer is denied at once, and fails the check."""
    watch = _watch()
    requests = _requests()
    write = next(each for each in requests if each.method == "PUT" and "/maps/" in each.path)
    for each in requests:
        watch.judge(each)
    assert Verdict.DENIED is watch.judge(replace(write, client="172.17.0.4"))
    with pytest.raises(StepFailed, match=r"^reducer: PUT /\S+/maps/\S+: the policy denies it$"):
        watch.check(ROLES)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"client": "172.17.0.9"}, "172.17.0.9: GET .* comes from no service"),
        ({"target": "/mapreduce-e2e-1/jobs/a?torrent"}, "splitter: GET .* no action is known"),
        ({"target": "/stranger/a"}, "splitter: GET /stranger/a: the policy denies it"),
    ],
)
def test_what_cannot_be_allowed_is_named(changed: dict[str, str], said: str) -> None:
    """A request from no service, of no known action, or to another bucket fails the check."""
    first = replace(_requests()[0], method="GET")
    watch = _watch()
    watch.asked = [(ADDRESSES.get(each.client, ""), each) for each in _requests()]
    changing = replace(first, **changed)  # type: ignore[arg-type]
    watch.asked.append((ADDRESSES.get(changing.client, ""), changing))
    with pytest.raises(StepFailed, match=said):
        watch.check(ROLES)


def test_a_check_of_nothing_fails() -> None:
    """A role without a request fails the check: a proxy without requests proves nothing."""
    with pytest.raises(StepFailed, match="reducer: no request was seen"):
        _watch().check(ROLES)


def test_without_policies_requests_are_only_kept() -> None:
    """Until the policies are known, nothing is denied."""
    watch = _watch()
    watch.enforce({})
    assert {Verdict.ALLOWED} == {watch.judge(each) for each in _requests()}
    assert len(_requests()) == len(watch.asked)


def test_an_address_is_looked_up_again() -> None:
    """An unknown address is looked up at once, a known one after a while, and the address of a
    container that has ended stays known.
    """
    looks = [{"1": "mapper"}, {"1": "mapper", "2": "reducer"}, {"2": "mapper"}]
    clock = [0.0]
    watch = Watch(Recording(), lambda: looks.pop(0), now=lambda: clock[0])
    one, two = (replace(_requests()[0], client=address) for address in "12")
    for each in (one, one, two, one):
        watch.judge(each)
    clock[0] = KNOWN_S + 1
    for each in (one, two, one):
        watch.judge(each)
    roles = [role for role, _ in watch.asked]
    assert ["mapper", "mapper", "reducer", "mapper", "mapper", "mapper", "mapper"] == roles
    assert not looks


def test_addresses_of_containers() -> None:
    """The role is what follows the stack's name in the family of the task's definition; an ended
    container has no address.
    """
    label = "com.amazonaws.ecs.task-definition-family"
    found = policies.roles_of(
        (
            {
                "Config": {"Labels": {label: f"{STACK}-{role}"}},
                "NetworkSettings": {"Networks": {"bridge": {"IPAddress": address}}},
            }
            for address, role in [*ADDRESSES.items(), ("", "mapper")]
        ),
        STACK,
    )
    assert ADDRESSES == found


def test_a_state_without_a_policy_is_an_error() -> None:
    """With an existing role, as in AWS Academy, Terraform has no policy to check."""
    state = json.loads(STATE)
    state["values"]["root_module"]["child_modules"] = []
    with pytest.raises(StepFailed, match="no policy of"):
        policies.of_state(json.dumps(state), STACK)


def test_roles_are_those_of_the_stack_with_a_policy() -> None:
    """Each role is named after its IAM role, with a hyphen too, and of one module with two roles
    each has its own policy.
    """
    state = json.loads(STATE)
    first, second, third = state["values"]["root_module"]["child_modules"]
    (policy,) = (each for each in first["resources"] if "policy" in each["values"])
    policy["values"]["role"] = f"{STACK}-us-east-1-parameter-server"
    (other,) = (each for each in second["resources"] if "policy" in each["values"])
    second["resources"].remove(other)
    third["resources"].append(other)
    other["values"]["role"] = "another-us-east-1-mapper"
    (own,) = (each for each in third["resources"] if "-reducer" in each["values"].get("role", ""))
    execution = f"{STACK}-us-east-1-reducer-execution"
    own_values = {**own["values"], "role": execution, "policy": '{"Statement": []}'}
    third["resources"].append({**own, "values": own_values})
    found = policies.of_state(json.dumps(state), STACK)
    assert {"parameter-server", "reducer", "reducer-execution"} == found.keys()
    assert found["reducer"] != found["reducer-execution"]
