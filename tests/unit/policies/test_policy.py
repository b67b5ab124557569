"""The evaluator of policies, against the examples and rules of AWS's IAM user guide.

The pages are named beside each example; awsdocs/iam-user-guide keeps their sources.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.policies.policy import Access, CannotEvaluate, Decision, Policy

OBJECT = "arn:aws:s3:::bucket/a/b"
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}


def _policy(*statements: dict[str, Any]) -> Policy:
    return Policy.of(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def _decided(policy: Policy, action: str = "s3:GetObject", arn: str = OBJECT) -> Decision:
    return policy.decide(Access(action, arn))


# "Policy evaluation logic": by default all requests are implicitly denied; an explicit allow
# overrides this default; an explicit deny in any policy overrides any allows
@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([], "implicitly denied"),
        ([READ], "allowed"),
        ([READ, READ | {"Effect": "Deny"}], "explicitly denied"),
        ([READ | {"Effect": "Deny"}, READ], "explicitly denied"),
        ([READ | {"Effect": "Deny"}], "explicitly denied"),
        ([READ | {"Action": "s3:PutObject"}], "implicitly denied"),
    ],
)
def test_the_logic(statements: list[dict[str, Any]], decision: Decision) -> None:
    """A denial wins over any permission, in any order, and nothing is permitted by default."""
    assert decision == _decided(_policy(*statements))


# "Policy evaluation logic": the policies that apply to a request are evaluated together
def test_policies_apply_together() -> None:
    """A denial in one policy wins over a permission in another; one statement may be no list."""
    denial = json.dumps({"Statement": READ | {"Effect": "Deny"}})
    both = Policy.of(json.dumps({"Statement": READ}), denial)
    assert _decided(both) == "explicitly denied"


# "Resource", "Using wildcards in resource ARNs": the objects that it lists for this ARN
@pytest.mark.parametrize(
    ("key", "matches"),
    [
        ("1/test/object.jpg", True),
        ("1/2/test/object.jpg", True),
        ("1/2/test/3/object.jpg", True),
        ("1/2/3/test/4/object.jpg", True),
        ("1///test///object.jpg", True),
        ("1/test/.jpg", True),
        ("/test/object.jpg", True),
        ("1/test/", True),
        ("1-test/object.jpg", False),
        ("test/object.jpg", False),
        ("1/2/test.jpg", False),
    ],
)
def test_wildcards_of_a_resource(key: str, matches: bool) -> None:
    """`*` stands for any characters, slashes too."""
    bucket = "arn:aws:s3:::amzn-s3-demo-bucket"
    policy = _policy(READ | {"Resource": f"{bucket}/*/test/*"})
    assert policy.allows("s3:GetObject", f"{bucket}/{key}") == matches


# "Specifying resources in a policy" of the S3 user guide: example?bucket
def test_a_question_mark_is_one_character() -> None:
    """`?` stands for exactly one character; other characters stand for themselves."""
    policy = _policy(READ | {"Resource": "arn:aws:s3:::example?bucket/*"})
    for name, matches in (
        ("example1bucket", True),
        ("examplebucket", False),
        ("exampleXbuckeX", 0),
    ):
        assert policy.allows("s3:GetObject", f"arn:aws:s3:::{name}/a") == bool(matches)


# "Action": prefix and action name are case insensitive; "Resource" is case sensitive
def test_case() -> None:
    """An action is matched in any case, a resource is not."""
    policy = _policy(READ | {"Action": ["S3:getobject", "iam:*AccessKey*"]})
    assert policy.allows("s3:GetObject", OBJECT)
    assert policy.allows("iam:CreateAccessKey", OBJECT)
    assert not policy.allows("s3:GetObject", OBJECT.replace("bucket", "Bucket"))


# "NotResource": everything in S3 but the folder Payroll of HRBucket is denied, and nothing allowed
def test_all_resources_but_some() -> None:
    """NotResource is about all other resources."""
    payroll = ["arn:aws:s3:::HRBucket/Payroll", "arn:aws:s3:::HRBucket/Payroll/*"]
    policy = _policy({"Effect": "Deny", "Action": "s3:*", "NotResource": payroll})
    for arn in (*payroll, "arn:aws:s3:::HRBucket/Payroll/a"):
        assert _decided(policy, arn=arn) == "implicitly denied"
    assert _decided(policy, arn="arn:aws:s3:::HRBucket/Other") == "explicitly denied"
    assert _decided(policy, "iam:GetUser", "arn:aws:iam::1:user/a") == "implicitly denied"


# "NotAction": all actions of all services but IAM
def test_all_actions_but_some() -> None:
    """NotAction is about all other actions."""
    policy = _policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})
    assert policy.allows("s3:GetObject", OBJECT)
    assert not policy.allows("iam:CreateUser", "arn:aws:iam::1:user/a")


# "Condition operators": the operators' table, and its box "Important": without the key a condition
# is false, and a negated one true; "...IfExists" and "Null" test whether it is there
@pytest.mark.parametrize(
    ("operator", "values", "found", "holds"),
    [
        ("StringEquals", ["home/"], "home/", True),
        ("StringEquals", ["home/"], "Home/", False),
        ("StringEquals", ["", "home/"], "", True),
        ("StringEquals", ["home/"], None, False),
        ("StringNotEquals", ["home/"], "home/", False),
        ("StringNotEquals", ["home/", "other/"], "home/", False),
        ("StringNotEquals", ["home/"], "else/", True),
        ("StringNotEquals", ["home/"], None, True),
        ("StringEqualsIgnoreCase", ["home/"], "HOME/", True),
        ("StringNotEqualsIgnoreCase", ["home/"], "HOME/", False),
        ("StringLike", ["home/*"], "home/", True),
        ("StringLike", ["home/*"], "home/a/b", True),
        ("StringLike", ["home/*"], "home", False),
        ("StringLike", ["home/*"], "my/home/", False),
        ("StringLike", ["a/*", "b/?"], "b/c", True),
        ("StringLike", ["home/*"], None, False),
        ("StringNotLike", ["home/*"], "home/a", False),
        ("StringNotLike", ["home/*"], None, True),
        ("StringLikeIfExists", ["home/*"], None, True),
        ("StringLikeIfExists", ["home/*"], "else/", False),
        ("Bool", "false", "false", True),
        ("Bool", False, "true", False),
        ("Null", "true", None, True),
        ("Null", "true", "a", False),
        ("Null", "false", "a", True),
    ],
)
def test_conditions(operator: str, values: Any, found: str | None, holds: bool) -> None:
    """Each operator compares as its page says, with the key and without."""
    condition = {operator: {"s3:prefix": values}}
    policy = _policy(
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": condition}
    )
    context = {} if found is None else {"S3:Prefix": found}
    assert policy.allows("s3:ListBucket", "arn:aws:s3:::bucket", context) == holds


# "Creating a condition with multiple keys or values": a logical AND of operators and keys, a
# logical OR of values
def test_all_keys_of_a_condition_must_hold() -> None:
    """Keys and operators are joined by "and"."""
    condition = {"StringLike": {"s3:prefix": "a/*", "s3:delimiter": "/"}, "Null": {"s3:x": "true"}}
    policy = _policy(
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": condition}
    )
    whole = {"s3:prefix": "a/", "s3:delimiter": "/"}
    assert policy.allows("s3:ListBucket", "arn:aws:s3:::b", whole)
    assert not policy.allows("s3:ListBucket", "arn:aws:s3:::b", whole | {"s3:x": "1"})
    assert not policy.allows("s3:ListBucket", "arn:aws:s3:::b", {"s3:prefix": "a/"})


@pytest.mark.parametrize(
    "changed",
    [
        {"Effect": "allow"},
        {"Principal": "*"},
        {"NotAction": "s3:PutObject"},
        {"Resource": "arn:aws:s3:::bucket/${aws:username}/*"},
        {"Condition": {"NumericLessThan": {"s3:max-keys": "10"}}},
        {"Condition": {"ForAllValues:StringLike": {"aws:TagKeys": "a"}}},
    ],
)
def test_nothing_unknown_is_ignored(changed: dict[str, Any]) -> None:
    """What the evaluator does not know is an error, and not a permission."""
    with pytest.raises(CannotEvaluate):
        _decided(_policy(READ | changed))
