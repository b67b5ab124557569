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
    "schedule": ([keys.schedule(STORE, "nightly")], (), ()),
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


# -- a driver in AWS -------------------------------------------------------------------------------

DRIVER = "module.driver[0].aws_iam_role_policy.{}[0]"
SCHEDULE = "module.schedule[0].aws_iam_role_policy.this"
HERE = "eu-central-1:123456789012"
ECS = f"arn:aws:ecs:{HERE}"
ROLE = "arn:aws:iam::123456789012:role"
SSM = f"arn:aws:ssm:{HERE}:parameter"
LOG_GROUPS = f"arn:aws:logs:{HERE}:log-group:/ecs"
CLUSTER = {"ecs:cluster": f"{ECS}:cluster/mapreduce"}
STRANGERS = {"ecs:cluster": f"{ECS}:cluster/other"}
REGION = {"aws:RequestedRegion": "eu-central-1"}
TO_TASKS = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
Request = tuple[str, str, dict[str, str]]

ALLOWED: list[Request] = [
    ("ecs:DescribeServices", f"{ECS}:service/mapreduce/mapper", {}),
    ("ecs:UpdateService", f"{ECS}:service/mapreduce/mapper", {}),
    ("ecs:UpdateService", f"{ECS}:service/mapreduce/guard", {}),
    ("ecs:DescribeTasks", f"{ECS}:task/mapreduce/0123", {}),
    ("ecs:ListTasks", "*", CLUSTER),
    ("servicediscovery:DiscoverInstances", "*", REGION),
    ("ssm:GetParameter", f"{SSM}/mapreduce/signing-key", {}),
    ("logs:FilterLogEvents", f"{LOG_GROUPS}/mapreduce/mapper:*", {}),
    ("s3:ListBucket", _arn(STORE), {}),
    ("s3:ListBucket", _arn("s3://other"), {}),
    ("s3:GetObject", _arn("s3://other/a"), {}),
    ("kms:Decrypt", KEY, {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}),
]
DENIED: list[Request] = [
    # it starts and stops no task, by itself or for others
    ("ecs:RunTask", f"{ECS}:task-definition/mapreduce-driver:1", CLUSTER),
    ("ecs:RunTask", f"{ECS}:task-definition/mapreduce-mapper:1", CLUSTER),
    ("ecs:StartTask", f"{ECS}:task-definition/mapreduce-driver:1", CLUSTER),
    ("ecs:StopTask", f"{ECS}:task/mapreduce/0123", CLUSTER),
    ("ecs:ExecuteCommand", f"{ECS}:task/mapreduce/0123", CLUSTER),
    ("ecs:RegisterTaskDefinition", "*", {}),
    ("ecs:DeregisterTaskDefinition", "*", {}),
    # it changes the number of tasks of its own services alone
    ("ecs:UpdateService", f"{ECS}:service/other/mapper", {}),
    ("ecs:UpdateService", f"{ECS}:service/mapreduce-two/mapper", {}),
    ("ecs:UpdateService", f"{ECS.replace('123456789012', '1')}:service/mapreduce/mapper", {}),
    ("ecs:UpdateService", f"{ECS.replace('central', 'west')}:service/mapreduce/mapper", {}),
    ("ecs:CreateService", f"{ECS}:service/mapreduce/mapper", {}),
    ("ecs:DeleteService", f"{ECS}:service/mapreduce/mapper", {}),
    ("ecs:DeleteCluster", f"{ECS}:cluster/mapreduce", {}),
    ("ecs:DescribeTasks", f"{ECS}:task/other/0123", {}),
    ("ecs:ListTasks", "*", STRANGERS),
    ("ecs:ListTasks", "*", {}),
    # it hands on, assumes and makes no role
    ("iam:PassRole", f"{ROLE}/mapreduce-eu-central-1-driver", TO_TASKS),
    ("iam:PassRole", f"{ROLE}/mapreduce-eu-central-1-mapper", TO_TASKS),
    ("iam:PassRole", f"{ROLE}/Admin", TO_TASKS),
    ("iam:CreateRole", f"{ROLE}/mapreduce-eu-central-1-x", {}),
    ("iam:PutRolePolicy", f"{ROLE}/mapreduce-eu-central-1-driver", {}),
    ("sts:AssumeRole", f"{ROLE}/mapreduce-eu-central-1-execution", {}),
    # of the parameters it reads the signing key
    ("ssm:GetParameter", f"{SSM}/other/signing-key", {}),
    ("ssm:GetParameter", f"{SSM}/mapreduce/other", {}),
    ("ssm:PutParameter", f"{SSM}/mapreduce/signing-key", {}),
    ("ssm:DeleteParameter", f"{SSM}/mapreduce/signing-key", {}),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:mapreduce", {}),
    # it neither configures nor deletes a bucket, and writes to its own alone
    ("s3:PutObject", _arn("s3://other/a"), {}),
    ("s3:DeleteObject", _arn("s3://other/a"), {}),
    ("s3:GetObject", _arn("s3://stranger/a"), {}),
    ("s3:ListBucket", _arn("s3://stranger"), {}),
    ("s3:PutObject", _arn(f"{STORE}-two/a"), {}),
    ("s3:DeleteBucket", _arn(STORE), {}),
    ("s3:PutBucketPolicy", _arn(STORE), {}),
    ("s3:PutLifecycleConfiguration", _arn(STORE), {}),
    ("s3:ListAllMyBuckets", "*", {}),
    # it decrypts through S3, and encrypts nothing
    ("kms:Decrypt", KEY, {}),
    ("kms:Decrypt", KEY, {"kms:ViaService": "ssm.eu-central-1.amazonaws.com"}),
    ("kms:DescribeKey", KEY, {}),
    ("servicequotas:GetServiceQuota", "*", {}),
    ("kms:GenerateDataKey", KEY, {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}),
    # it reads the logs of its stack, and nothing of the network or of Cloud Map elsewhere
    ("logs:FilterLogEvents", f"{LOG_GROUPS}/other/mapper:*", {}),
    ("logs:DeleteLogGroup", f"{LOG_GROUPS}/mapreduce/mapper:*", {}),
    ("servicediscovery:DiscoverInstances", "*", {"aws:RequestedRegion": "us-east-1"}),
    ("servicediscovery:RegisterInstance", "*", REGION),
    ("ec2:DescribeNetworkInterfaces", "*", REGION),
    ("ec2:AuthorizeSecurityGroupIngress", "*", REGION),
    ("ecr:BatchGetImage", f"arn:aws:ecr:{HERE}:repository/mapreduce/mapper", {}),
    ("scheduler:CreateSchedule", f"arn:aws:scheduler:{HERE}:schedule/mapreduce-driver/a", {}),
    ("sns:Publish", f"arn:aws:sns:{HERE}:mapreduce-driver-ended", {}),
]
"""Requests that the role of a driver in AWS may not make."""


def _named(request: Request) -> str:
    return f"{request[0]} {request[1].rpartition(':')[2]}"


@pytest.mark.parametrize("request_", ALLOWED, ids=_named)
def test_a_driver_in_aws_may_run_a_job(planned: dict[str, Any], request_: Request) -> None:
    """The driver's role may make the calls of a run."""
    assert _policy(planned, DRIVER.format("task")).allows(*request_)


@pytest.mark.parametrize("request_", DENIED, ids=_named)
def test_a_driver_in_aws_may_do_no_more(planned: dict[str, Any], request_: Request) -> None:
    """The driver's role may make no other call."""
    assert not _policy(planned, DRIVER.format("task")).allows(*request_)


@pytest.mark.parametrize("name", OBJECTS)
def test_a_driver_in_aws_uses_every_object_of_the_store(planned: dict[str, Any], name: str) -> None:
    """The driver plans, commits and cleans: it may read, write and delete every object."""
    policy = _policy(planned, DRIVER.format("task"))
    for url in OBJECTS[name][0]:
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            assert policy.allows(action, _arn(url)), url


def test_a_driver_in_aws_knows_few_actions(planned: dict[str, Any]) -> None:
    """An action that the role gains must be added here."""
    assert {
        *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
        *("s3:GetBucketLocation", "s3:ListBucket"),
        *("ecs:DescribeServices", "ecs:DescribeTasks", "ecs:ListTasks", "ecs:UpdateService"),
        *("servicediscovery:DiscoverInstances", "ssm:GetParameter", "logs:FilterLogEvents"),
        "kms:Decrypt",
    } == _policy(planned, DRIVER.format("task")).actions


def test_ecs_starts_a_driver_with_its_image_alone(planned: dict[str, Any]) -> None:
    """The driver's execution role pulls no other image, writes no other log and reads no key."""
    policy = _policy(planned, DRIVER.format("execution"))
    log = f"{LOG_GROUPS}/mapreduce/driver"
    assert policy.allows("logs:PutLogEvents", f"{log}:log-stream:a")
    assert not policy.allows("logs:PutLogEvents", f"{LOG_GROUPS}/mapreduce/mapper:log-stream:a")
    assert not [action for action in policy.actions if action.startswith(("ssm:", "s3:"))]


def test_a_schedule_may_start_a_driver_and_nothing_else(planned: dict[str, Any]) -> None:
    """The role of the schedules starts tasks of the driver's family in this cluster."""
    policy = _policy(planned, SCHEDULE)
    assert {"ecs:RunTask", "iam:PassRole"} == policy.actions
    family = f"{ECS}:task-definition/mapreduce-driver"
    assert policy.allows("ecs:RunTask", family, CLUSTER)
    assert policy.allows("ecs:RunTask", f"{family}:7", CLUSTER)
    assert not policy.allows("ecs:RunTask", f"{family}:7", STRANGERS)
    for other in ("mapreduce-mapper:1", "mapreduce-driver-two:1", "other-driver:1"):
        assert not policy.allows("ecs:RunTask", f"{ECS}:task-definition/{other}", CLUSTER)
    # the mocked provider gives every role that the stack makes this one name
    assert policy.allows("iam:PassRole", f"{ROLE}/created", TO_TASKS)
    assert not policy.allows("iam:PassRole", f"{ROLE}/created")
    assert not policy.allows("iam:PassRole", f"{ROLE}/Admin", TO_TASKS)


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
