"""A second opinion on the policies: the emulator enforces them itself, on signed requests.

With AUTH=true the emulator knows roles, their policies and sessions, and checks the signature of
each request. Its evaluator of policies and its table of actions are not ours. What it does not do
is to answer 403 for a missing object that the reader may not list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.emulator import MINISTACK, Emulator, running_emulator
from tests.integration.commands import Driver, ascii_words
from tests.integration.gated import PROGRAM, URL
from tests.policies.forbidden import forbidden
from tests.policies.planned import EXTRA, ROLES, STORE, STRANGER
from tests.policies.policy import Policy
from tests.policies.role_fleet import variables_of
from tests.policies.s3_actions import S3Request

pytestmark = [pytest.mark.s3, pytest.mark.timeout(300)]
VERSION = "2012-10-17"
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


@dataclass(frozen=True)
class Account:
    """The emulator, and the credentials of a session of each role."""

    emulator: Emulator
    sessions: Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def account(policies: dict[str, Policy]) -> Iterator[Account]:
    """An emulator that enforces the planned policies."""
    if MINISTACK.missing:
        pytest.skip(MINISTACK.missing)
    with running_emulator(STORE, EXTRA, STRANGER, settings={"AUTH": "true"}) as running:
        sessions = {role: _session(running, role, policies[role]) for role in ROLES}
        yield Account(running, sessions)


def _session(running: Emulator, role: str, policy: Policy) -> dict[str, str]:
    """Create a role with its policy; return the credentials of a session, as variables."""
    iam, sts = _client("iam", running), _client("sts", running)
    trust = json.dumps({"Version": VERSION, "Statement": [TRUST]})
    made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]
    document = json.dumps({"Version": VERSION, "Statement": list(policy.statements)})
    iam.put_role_policy(RoleName=role, PolicyName="objects", PolicyDocument=document)
    given = sts.assume_role(RoleArn=made["Arn"], RoleSessionName="task")["Credentials"]
    iam.close()
    sts.close()
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def _client(name: str, running: Emulator, session: Mapping[str, str] | None = None) -> Any:
    import boto3

    given = session or running.environment
    client: Any = boto3.client  # its types name each service
    return client(
        name,
        endpoint_url=running.endpoint,
        region_name="us-east-1",
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=given.get("AWS_SESSION_TOKEN"),
    )


def _status(account: Account, role: str, request: S3Request) -> int:
    """Send a request, signed by a session of a role; return the status of the answer."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    session = account.sessions[role]
    credentials = Credentials(
        session["AWS_ACCESS_KEY_ID"],
        session["AWS_SECRET_ACCESS_KEY"],
        session["AWS_SESSION_TOKEN"],
    )
    url = account.emulator.endpoint + request.target
    made = AWSRequest(request.method, url, headers=dict(request.headers), data=b"")
    S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(made)
    return int(URLLib3Session().send(made.prepare()).status_code)


@pytest.mark.parametrize("role", ROLES)
def test_the_emulator_denies_what_is_forbidden(account: Account, role: str) -> None:
    """The emulator denies every request of the list too."""
    answers = [(each, _status(account, role, each)) for each in forbidden(role)]
    assert [] == [(each, status) for each, status in answers if status != 403]


@pytest.mark.parametrize("job", ["word_count", "top_k"])
def test_runs_under_the_emulators_own_iam(driver: Driver, account: Account, job: str) -> None:
    """A job and a chain are right with the credentials of a role in each service."""
    environment = account.emulator.environment | {"MAPREDUCE_STORE": URL}
    text = "".join(f"line {number} of {number % 7}\n" for number in range(3_000)).encode()
    s3 = _client("s3", account.emulator)
    s3.put_object(Bucket=STORE, Key=f"input/{job}.txt", Body=text)
    command = Driver(
        driver.folder, driver.mark, environment | variables_of(account.sessions), PROGRAM
    )
    size = ("--chunks", "4", "--reducers", "1", "--target", "local", "--mappers", "2")
    source = ("--input", f"{URL}/input/{job}.txt", "--job", job)
    ran = command.run("run", *source, *size, "--json")
    assert ran.code == 0, ran.err
    (url,) = ran.document["result_urls"]
    body = s3.get_object(Bucket=STORE, Key=url.removeprefix(f"{URL}/"))["Body"].read()
    s3.close()
    found, expected = json.loads(body), ascii_words(text)
    if job == "top_k":
        best = sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
        assert [[rank, list(pair)] for rank, pair in enumerate(best, 1)] == found
    else:
        assert found == expected
