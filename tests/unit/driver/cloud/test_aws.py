"""AWS's errors become ours: every class of botocore and boto3, and the codes with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import boto3.exceptions
import botocore.exceptions
import pytest
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from botocore.stub import Stubber
from s3transfer.exceptions import S3CopyFailedError

from driver.cloud.aws import Aws, explained
from mapreduce.errors import FleetError, InputChanged, MapReduceError, ObjectMissing


def _below(cls: type[BaseException]) -> Iterator[type[BaseException]]:
    for each in cls.__subclasses__():
        yield each
        yield from _below(each)


def _made(cls: type[BaseException]) -> BaseException:
    """Return an instance, with any arguments that its class needs."""
    made = cls.__new__(cls)
    made.args = ("it failed",)
    return made


def _client_error(code: str, message: str = "no", status: int = 400) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "DescribeTasks")


FOREIGN = sorted(
    {
        cls
        for root in (BotoCoreError, Boto3Error)
        for cls in (root, *_below(root))
        if cls.__module__ in (botocore.exceptions.__name__, boto3.exceptions.__name__)
    },
    key=lambda cls: cls.__name__,
)


def test_the_list_is_that_of_the_libraries() -> None:
    """The tests below try every public exception class of both libraries, except `ClientError`'s
    and warnings.
    """
    public = {
        cls
        for module in (botocore.exceptions, boto3.exceptions)
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Exception) and not issubclass(cls, Warning)
    }
    apart = {cls for cls in public - set(FOREIGN) if not issubclass(cls, ClientError)}
    assert {cls.__name__ for cls in apart} <= NO_ERRORS_OF_A_CALL
    assert len(FOREIGN) > 60


NO_ERRORS_OF_A_CALL = {"UndefinedModelAttributeError", "MissingServiceIdError"}
"""A service description in the library is broken; no call of an installed version raises these."""


@pytest.mark.parametrize("cls", FOREIGN, ids=lambda cls: cls.__name__)
def test_no_class_of_the_libraries_passes(cls: type[BaseException]) -> None:
    """Each class of the libraries becomes a `FleetError`, which keeps it as its cause."""
    raised = _made(cls)
    with pytest.raises(FleetError) as caught, explained():
        raise raised
    assert raised is caught.value.__cause__


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredToken", "expired"),
        ("RequestExpired", "expired"),
        ("InvalidClientTokenId", "does not accept the credentials"),
        ("SignatureDoesNotMatch", "does not accept the credentials"),
        ("AccessDenied", "may not do DescribeTasks: no"),
        ("UnauthorizedOperation", "may not do DescribeTasks: no"),
        ("ClusterNotFoundException", "another region or account"),
        ("NoSuchBucket", "another region or account"),
        ("ThrottlingException", "DescribeTasks failed (ThrottlingException): no"),
    ],
)
def test_an_error_code_has_a_remedy(code: str, said: str) -> None:
    """An error code gives one line with the remedy."""
    with pytest.raises(FleetError) as caught, explained():
        raise _client_error(code)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_answer_without_an_error_in_it_is_explained_too() -> None:
    """An answer without an error code is explained, as from a server that only resembles AWS."""
    with pytest.raises(FleetError, match=r"DescribeTasks failed \(\?\)"), explained():
        raise ClientError({}, "DescribeTasks")


def test_errors_of_ours_and_of_python_pass() -> None:
    """Errors of ours and of Python are not changed."""
    for raised in (ObjectMissing("there is none"), ZeroDivisionError()):
        with pytest.raises(type(raised)), explained():
            raise raised


def test_a_profile_that_is_not_there_is_named(
    offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing profile is named when the session is created, with the variable to set."""
    monkeypatch.setenv("AWS_PROFILE", "unknown")
    with pytest.raises(FleetError, match=r"unknown.*AWS_PROFILE"):
        Aws()


def test_credentials_for_the_store_are_the_sessions_own(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store gets the session's credentials; without any there is a `FleetError`."""
    assert "test" == aws.credential_provider()()["access_key_id"]
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(FleetError, match="no AWS credentials"):
        Aws("eu-central-1").credential_provider()


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_each_region_is_in_its_partition(offline: None, region: str, partition: str) -> None:
    """A region is in its partition: AWS's, China's or GovCloud's; without one it is AWS's."""
    assert (region, partition) == (Aws(region).region, Aws(region).partition)
    assert "aws" == Aws().partition


def test_the_region_of_the_environment(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_REGION is the region of a session without one, before AWS_DEFAULT_REGION."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert "eu-west-1" == Aws().region
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert ("eu-north-1", "us-east-1") == (Aws().region, Aws("us-east-1").region)


def test_a_client_is_made_once(aws: Aws) -> None:
    """Each client is created once, with the same retries and timeouts."""
    for name in [
        "ecs",
        "ec2",
        "discovery",
        "logs",
        "ssm",
        "kms",
        "sts",
        "quotas",
        "s3",
        "ecr",
        "iam",
        "cloudwatch",
        "scheduler",
        "budgets",
        "tagging",
    ]:
        client = getattr(aws, name)
        assert client is getattr(aws, name)
        config = client.meta.config
        limits = config.retries["mode"], config.connect_timeout, config.read_timeout
        assert ("adaptive", 10, 30) == limits


def test_a_large_copy_is_of_one_version(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large copy requires the ETag for each part, and keeps slashes in keys."""
    asked: list[Any] = []

    def copy(*arguments: Any, ExtraArgs: Any, Config: Any) -> None:
        asked.extend((*arguments, ExtraArgs, Config.multipart_chunksize))

    monkeypatch.setattr(aws.s3, "copy", copy)
    aws.copy_large("s3://a/b/c", "s3://d/e/f", "etag")
    source = {"Bucket": "a", "Key": "b/c"}
    assert [source, "d", "e/f", {"CopySourceIfMatch": "etag"}, 256 << 20] == asked


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (_client_error("PreconditionFailed"), InputChanged),
        (_client_error("412"), InputChanged),
        (S3CopyFailedError("did not match expected ETag"), InputChanged),
        (_client_error("NoSuchKey"), ObjectMissing),
        (_client_error("404"), ObjectMissing),
        (_client_error("AccessDenied"), FleetError),
        (boto3.exceptions.S3UploadFailedError("cut"), FleetError),
        (botocore.exceptions.ConnectionClosedError(endpoint_url="x"), FleetError),
    ],
)
def test_errors_of_a_large_copy(
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    expected: type[MapReduceError],
) -> None:
    """A large copy's error tells a changed source, a missing source, and any other cause apart."""

    def copy(*_: Any, **__: Any) -> NoReturn:
        raise raised

    monkeypatch.setattr(aws.s3, "copy", copy)
    with pytest.raises(expected):
        aws.copy_large("s3://a/b", "s3://c/d", "etag")


def test_a_call_that_aws_refuses_is_explained(aws: Aws) -> None:
    """A refused call raises our error."""
    with Stubber(aws.sts) as sts:
        sts.add_client_error("get_caller_identity", "ExpiredToken")
        with pytest.raises(FleetError, match="expired"), explained():
            aws.sts.get_caller_identity()
