"""The rendered policies of the task roles, evaluated for every object of the store."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driver.targets.prepare import INPUT_FOLDERS
from mapreduce.wire import keys
from tests.e2e.processes import Shell

STORE = "s3://store"
RUN = "run-20260101-000000-ab"
DIGEST = "ab" * 32
SPLITTER, MAPPER, REDUCER = "splitter", "mapper", "reducer"
ROLES = (SPLITTER, MAPPER, REDUCER)

# function of `keys`: its objects, the roles that read them, and those that write them
OBJECTS: dict[str, tuple[list[str], Sequence[str], Sequence[str]]] = {
    "uploaded_input": (
        [keys.uploaded_input(STORE, DIGEST, "a b.txt")],
        (SPLITTER, MAPPER),
        (),
    ),
    "chunk": ([keys.chunk(STORE, RUN, 0)], (SPLITTER, MAPPER), (SPLITTER,)),
    "boundaries": ([keys.boundaries(STORE, RUN, DIGEST)], (SPLITTER, MAPPER), (SPLITTER,)),
    "map_attempt": (
        [keys.map_attempt(STORE, RUN, index, "0") for index in range(16)],
        (MAPPER, REDUCER),
        (MAPPER,),
    ),
    "map_outputs": ([keys.map_outputs(STORE, RUN, DIGEST)], (MAPPER, REDUCER), ()),
    "part_attempt": (
        [keys.part_attempt(STORE, RUN, 0, "1", ending) for ending in ("json", "jsonl")],
        ROLES,
        (MAPPER, REDUCER),
    ),
    "pairs_attempt": (
        [keys.pairs_attempt(STORE, keys.step(RUN, 2), 0, "1")],
        ROLES,
        (MAPPER, REDUCER),
    ),
    "kept_state": ([keys.kept_state(STORE, DIGEST[:32])], ROLES, (REDUCER,)),
    "result": ([keys.result(STORE, RUN, 0, whole=whole) for whole in (True, False)], ROLES, ()),
    "success": ([keys.success(STORE, RUN)], ROLES, ()),
    "run_file": (
        [keys.run_file(STORE, RUN, name) for name in ("plan.json", keys.dead_letter(0, 0))],
        (),
        (),
    ),
    "code": ([keys.code(STORE, DIGEST)], ROLES, ()),
    "task": ([keys.task(STORE, DIGEST)], (), ()),
}
# functions of `keys` that return no object: a folder, or a part of a key
OTHERS = {"chunks", "maps", "pairs", "results", "runs", "join", "step", "dead_letter", "lease"}
OTHERS |= {"is_own", "run_of_result", "run_of_results"}


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of one role; what no statement allows is denied."""

    statements: list[dict[str, Any]]

    def allows(self, action: str, arn: str, context: Mapping[str, str] | None = None) -> bool:
        """Return whether the policy allows an action on a resource, as IAM decides it."""
        assert all(statement["Effect"] == "Allow" for statement in self.statements)
        return any(
            action in statement["Action"]
            and any(_like(pattern, arn) for pattern in statement["Resource"])
            and _holds(statement.get("Condition", {}), context or {})
            for statement in self.statements
        )


def _like(pattern: str, text: str) -> bool:
    """Return whether a text is like IAM's pattern, whose `*` also stands for slashes."""
    words = (re.escape(word).replace(r"\?", ".") for word in pattern.split("*"))
    return re.fullmatch(".*".join(words), text, re.DOTALL) is not None


def _holds(
    condition: Mapping[str, Mapping[str, Sequence[str]]], context: Mapping[str, str]
) -> bool:
    assert condition.keys() <= {"StringLike"}
    return all(
        name in context and any(_like(pattern, context[name]) for pattern in patterns)
        for name, patterns in condition.get("StringLike", {}).items()
    )


def _arn(url: str) -> str:
    return url.replace("s3://", "arn:aws:s3:::")


@pytest.fixture(scope="module")
def policies(terraform: tuple[Shell, Path]) -> dict[str, Policy]:
    """The policy of each role, from the plans of access.tftest.hcl."""
    shell, _ = terraform
    tests = ("terraform", "test", "-json", "-verbose", "-filter=tests/access.tftest.hcl")
    out = shell.run(*tests, ok=(0, 1)).out  # its assertions are not those of this file
    found: dict[str, Policy] = {}
    for line in out.splitlines():
        if '"type":"test_plan"' not in line:
            continue
        changes = json.loads(line)["test_plan"]["resource_changes"]
        planned = {change["address"]: change["change"]["after"] for change in changes}
        role = planned["aws_ecs_service.this"]["name"]
        policy = json.loads(planned["aws_iam_role_policy.task[0]"]["policy"])
        found[role] = Policy(policy["Statement"])
    return found


def test_every_object_of_the_store_is_in_the_table() -> None:
    """The table has every function of `keys` that returns an object's URL."""
    functions = inspect.getmembers(keys, inspect.isfunction)
    assert {name for name, _ in functions if not name.startswith("_")} == OBJECTS.keys() | OTHERS


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", OBJECTS)
def test_each_role_may_read_and_write_what_its_tasks_do(
    policies: dict[str, Policy], role: str, name: str
) -> None:
    """A role may read and write exactly its objects, and learns whether one that it reads is
    missing; no role replaces what the driver has committed.
    """
    urls, readers, writers = OBJECTS[name]
    policy = policies[role]
    for url in urls:
        key = {"s3:prefix": url.removeprefix(f"{STORE}/")}
        assert policy.allows("s3:GetObject", _arn(url)) == (role in readers), url
        assert policy.allows("s3:ListBucket", _arn(STORE), key) == (role in readers), url
        for action in ("s3:PutObject", "s3:AbortMultipartUpload"):
            assert policy.allows(action, _arn(url)) == (role in writers), url


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_do_more(policies: dict[str, Policy], role: str) -> None:
    """No role may delete, list the whole bucket, use another bucket, or write an extra input."""
    policy = policies[role]
    for url in (url for urls, _, _ in OBJECTS.values() for url in urls):
        assert not policy.allows("s3:DeleteObject", _arn(url))
        assert not policy.allows("s3:GetObject", _arn(url.replace("store", "stranger")))
        assert not policy.allows("s3:PutObject", _arn(url.replace("store", "other")))
    assert not policy.allows("s3:ListBucket", _arn(STORE))
    assert not policy.allows("s3:ListBucket", _arn(STORE), {"s3:prefix": ""})
    assert policy.allows("s3:GetObject", _arn("s3://other/a")) == (role != REDUCER)
    assert policy.allows("s3:ListBucket", _arn("s3://other")) == (role != REDUCER)


def test_what_the_driver_takes_as_input_can_be_read(policies: dict[str, Policy]) -> None:
    """Splitter and mapper may read every folder in which the driver allows an input."""
    for folder in INPUT_FOLDERS:
        for role in (SPLITTER, MAPPER):
            assert policies[role].allows("s3:GetObject", _arn(f"{STORE}/{folder}/x/y"))
