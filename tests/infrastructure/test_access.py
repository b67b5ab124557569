"""The rendered policies of the roles, evaluated for every object of the store."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import pytest

from driver.cloud.stack import Stack
from driver.targets.option_checks import check_buckets
from mapreduce.errors import UsageError
from mapreduce.wire import keys
from mapreduce.wire.messages import InputObject
from tests.policies.planned import MAPPER, REDUCER, ROLES, SPLITTER
from tests.policies.planned import STORE as BUCKET
from tests.policies.policy import Policy
from tests.unit.driver.samples import STACK_VALUES

STORE = f"s3://{BUCKET}"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"
pytestmark = pytest.mark.timeout(600)
RUN = "run-20260101-000000-ab"
DIGEST = "ab" * 32

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
    "segment": ([keys.segment(STORE, RUN, 0)], (), ()),
    "run_lease": ([keys.run_lease(STORE, RUN)], (), ()),
    "cancel": ([keys.cancel(STORE, RUN)], (), ()),
    "epoch_slot": ([keys.epoch_slot(STORE, RUN, 2)], (), ()),
    "forecasts": ([keys.forecasts(STORE, "0" * 32)], (), ()),
    "indexed": ([keys.indexed(STORE, RUN, "WzFd")], (), ()),
    "code": ([keys.code(STORE, DIGEST)], ROLES, ()),
    "package_set": ([keys.package_set(STORE, DIGEST)], ROLES, ()),
    "wheel": ([keys.wheel(STORE, DIGEST)], ROLES, ()),
    "package_lock": ([keys.package_lock(STORE, DIGEST)], ROLES, ()),
    "task": ([keys.task(STORE, DIGEST)], (), ()),
}
# functions of `keys` that return no object: a folder, or a part of a key
OTHERS = {"chunks", "maps", "pairs", "results", "runs", "join", "step", "dead_letter", "lease"}
OTHERS |= {"is_attempt", "run_of", "index", "epoch"}
OTHERS |= {"is_own", "run_of_result", "run_of_results", "is_part_of", "segments"}


def _arn(url: str) -> str:
    return url.replace("s3://", "arn:aws:s3:::")


def _policy(planned: dict[str, Any], address: str) -> Policy:
    return Policy.of(planned[address]["policy"])


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
        assert not policy.allows("s3:GetObject", _arn(url.replace(STORE, "s3://stranger")))
        assert not policy.allows("s3:PutObject", _arn(url.replace(STORE, "s3://other")))
    assert not policy.allows("s3:ListBucket", _arn(STORE))
    assert not policy.allows("s3:ListBucket", _arn(STORE), {"s3:prefix": ""})
    assert policy.allows("s3:GetObject", _arn("s3://other/a")) == (role != REDUCER)
    assert policy.allows("s3:ListBucket", _arn("s3://other")) == (role != REDUCER)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_knows_few_actions(policies: dict[str, Policy], role: str) -> None:
    """A task role has actions on objects and lists, and to decrypt extra inputs; no other."""
    expected = {"s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:AbortMultipartUpload"}
    if role != REDUCER:
        expected.add("kms:Decrypt")
    assert expected == policies[role].actions


@pytest.mark.parametrize("role", ROLES)
def test_keys_of_extra_buckets_are_used_through_s3_alone(
    policies: dict[str, Policy], role: str
) -> None:
    """Splitter and mapper may decrypt with the named key when S3 asks, and nothing may encrypt."""
    through_s3 = {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}
    policy = policies[role]
    assert policy.allows("kms:Decrypt", KEY, through_s3) == (role != REDUCER)
    assert not policy.allows("kms:Decrypt", KEY)
    other = {"kms:ViaService": "ssm.eu-central-1.amazonaws.com"}
    assert not policy.allows("kms:Decrypt", KEY, other)
    assert not policy.allows("kms:Decrypt", KEY.replace("key/1", "key/2"), through_s3)
    assert not policy.allows("kms:GenerateDataKey", KEY, through_s3)


def test_ecs_starts_tasks_with_this_stacks_key_alone(planned: dict[str, Any]) -> None:
    """The execution role reads the stack's parameter, and not another one or a secret."""
    policy = _policy(planned, "module.cluster.aws_iam_role_policy.execution[0]")
    key = "arn:aws:ssm:eu-central-1:123456789012:parameter/mapreduce/signing-key"
    assert policy.allows("ssm:GetParameters", key)
    assert not policy.allows("ssm:GetParameters", key.replace("/mapreduce/", "/other/"))
    assert not policy.allows("ssm:PutParameter", key)
    assert not policy.allows("secretsmanager:GetSecretValue", key)


def test_the_schedule_may_scale_and_nothing_else(planned: dict[str, Any]) -> None:
    """The role of the nightly stop changes services; no task role does."""
    policy = _policy(planned, "module.nightly_stop[0].aws_iam_role_policy.this")
    assert {"ecs:UpdateService"} == policy.actions


PLACES = (
    *(url for urls, _, _ in OBJECTS.values() for url in urls),
    *(f"{STORE}/{key}" for key in ("big.txt", "input/2026/a.txt", "inputs/a", "books/input/a")),
    "s3://other/a/b",
    "s3://stranger/input/a",
)


@pytest.mark.parametrize("url", PLACES)
def test_what_the_driver_takes_as_input_can_be_read(policies: dict[str, Policy], url: str) -> None:
    """Splitter and mapper may read every input that the driver takes; it refuses another before the
    run, with the next step.
    """
    changed = {"bucket": BUCKET, "extra_input_buckets": ["other"]}
    stack = Stack.model_validate(STACK_VALUES | changed)
    given = InputObject(url=url, etag="e", size=1, name="a")
    try:
        check_buckets((given,), stack, None)
    except UsageError as exc:
        assert "aws s3 cp" in str(exc) or "./deploy.sh" in str(exc)
        return
    assert url.startswith((f"{STORE}/input/", f"{STORE}/reduce/", "s3://other/"))
    for role in (SPLITTER, MAPPER):
        assert policies[role].allows("s3:GetObject", _arn(url))
