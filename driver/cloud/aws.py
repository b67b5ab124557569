"""The entry point to AWS's control plane: a session, its clients, and errors as `FleetError`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from driver.transport.endpoint import SignInEnded
from mapreduce.errors import FleetError, InputChanged, ObjectMissing
from mapreduce.storage.base import COPY_BYTES

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_servicediscovery import ServiceDiscoveryClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

__all__ = ["Aws", "ClientError", "explained"]

COPIES_AT_ONCE = 8
"""Parts of an object that are copied at the same time."""
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_INVALID = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "AuthFailure",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_GONE = {
    "ClusterNotFoundException",
    "ServiceNotFoundException",
    "ResourceNotFoundException",
    "NoSuchBucket",
    "ParameterNotFound",
}
_CHANGED = {"PreconditionFailed", "412"}
_NO_OBJECT = {"NoSuchKey", "404"}
_SIGN_IN_ENDED = (
    SSOTokenLoadError,
    UnauthorizedSSOTokenError,
    TokenRetrievalError,
    CredentialRetrievalError,
    LoginError,
)
_SIGN_IN = "sign in again (aws sso login, aws configure, or the keys from your course's page)"


def _client(service: str) -> Any:
    """Return a property of `Aws`: the client of a service."""
    return cached_property(lambda aws: aws._session.client(service, config=aws._config))


class Aws:
    """AWS in one region, with the user's credentials. Each client is made at its first use."""

    ecs: ECSClient = _client("ecs")
    """Elastic Container Service."""
    ec2: EC2Client = _client("ec2")
    """Networks and their interfaces."""
    discovery: ServiceDiscoveryClient = _client("servicediscovery")
    """Cloud Map."""
    logs: CloudWatchLogsClient = _client("logs")
    """CloudWatch Logs."""
    ssm: SSMClient = _client("ssm")
    """Systems Manager, whose Parameter Store has the signing key."""
    kms: Any = _client("kms")
    """Keys that encrypt objects."""
    sts: STSClient = _client("sts")
    """The identity of the credentials."""
    quotas: ServiceQuotasClient = _client("service-quotas")
    """Service Quotas."""
    s3: Any = _client("s3")
    """S3's control plane; data goes through `mapreduce.storage`."""
    ecr: Any = _client("ecr")
    """The image repositories."""
    route53: Any = _client("route53")
    """Hosted zones, of which Cloud Map makes one for a namespace."""
    iam: Any = _client("iam")
    """IAM roles."""
    cloudwatch: Any = _client("cloudwatch")
    """Alarms and dashboards."""
    balancing: Any = _client("elbv2")
    """Elastic Load Balancing."""
    scheduler: Any = _client("scheduler")
    """EventBridge Scheduler."""
    eventbridge: Any = _client("events")
    """Rules of EventBridge."""
    sns: Any = _client("sns")
    """Simple Notification Service."""
    budgets: Any = _client("budgets")
    """Budgets of the account."""
    tagging: Any = _client("resourcegroupstaggingapi")
    """The tagging API: all tagged resources."""

    def __init__(self, region: str | None = None) -> None:
        with explained():
            # boto3 reads only AWS_DEFAULT_REGION; AWS's other tools, and obstore, AWS_REGION first
            self._session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
        self._renewing = threading.Lock()
        self.renewals = 0
        """How often `renew` has found other credentials."""
        self._config = Config(
            retries={"mode": "adaptive", "max_attempts": 8},
            connect_timeout=10,
            read_timeout=30,
            max_pool_connections=32,
        )

    @property
    def region(self) -> str | None:
        """The region that the session uses."""
        return self._session.region_name

    @property
    def partition(self) -> str:
        """`aws`, or the partition of China or of GovCloud."""
        return self._session.get_partition_for_region(self.region or "us-east-1")

    def credentials_source(self) -> str:
        """Return where the credentials come from, as boto3 calls it; raises `SignInEnded`."""
        with explained():
            found = self._session.get_credentials()
            if found is None:
                raise NoCredentialsError
            return str(found.method)

    def credential_provider(self) -> Callable[[], Any]:
        """Return the session's credentials for the object store: SSO, profile, role or keys."""
        from obstore.auth.boto3 import Boto3CredentialProvider

        with explained():
            if self._session.get_credentials() is None:
                raise NoCredentialsError
            return Boto3CredentialProvider(self._session)

    def renew(self) -> bool:
        """Read the credentials anew; return whether they are others, which all clients then use.

        A session keeps the keys that it has read. Keys of environment variables that have ended
        cannot change while this process runs, so they no longer hide those of the files.
        """
        with self._renewing:
            old = _keys_of(self._session)
            core = botocore.session.get_session()
            if old is None or old[0] == "env":
                core.get_component("credential_provider").remove("env")
            try:
                with explained():
                    session = boto3.Session(
                        botocore_session=core, region_name=self._session.region_name
                    )
            except FleetError:
                return False
            new = _keys_of(session)
            if new is None or (old is not None and new[1:] == old[1:]):
                return False
            self._session = session
            for name, each in vars(type(self)).items():
                if isinstance(each, cached_property):
                    vars(self).pop(name, None)
            self.renewals += 1
            return True

    def copy_large(self, source: str, target: str, etag: str) -> None:
        """Copy an object of S3 in parts, several at the same time, all of one version.

        Args:
            source: its URL, `s3://bucket/key`.
            target: the URL of the copy.
            etag: of the version.

        Raises:
            InputChanged: the object has another ETag by now.
            ObjectMissing: it is gone.
            FleetError: S3 refuses, or cannot be reached.
        """
        from boto3.s3.transfer import TransferConfig
        from s3transfer.exceptions import S3CopyFailedError

        (bucket, key), (target_bucket, target_key) = (
            url.removeprefix("s3://").split("/", 1) for url in (source, target)
        )
        parts = TransferConfig(
            multipart_threshold=COPY_BYTES,
            multipart_chunksize=COPY_BYTES,
            max_concurrency=COPIES_AT_ONCE,
        )
        with explained():
            try:
                self.s3.copy(
                    {"Bucket": bucket, "Key": key},
                    target_bucket,
                    target_key,
                    # without it the parts may be of two versions of the object
                    ExtraArgs={"CopySourceIfMatch": etag},
                    Config=parts,
                )
            except S3CopyFailedError as exc:  # a part whose source has another ETag
                raise InputChanged(f"{source} has changed while it was copied") from exc
            except ClientError as exc:
                code = exc.response.get("Error", {}).get("Code")
                if code in _CHANGED:
                    raise InputChanged(f"{source} has changed while it was copied") from exc
                if code in _NO_OBJECT:
                    raise ObjectMissing(f"there is no object {source}") from exc
                raise


def _keys_of(session: boto3.Session) -> tuple[str, str, str | None] | None:
    """Return the source, the access key and the token of a session's credentials, if it has any."""
    try:
        with explained():
            found = session.get_credentials()
            if found is None:
                return None
            frozen = found.get_frozen_credentials()
    except FleetError:
        return None
    return str(found.method), str(frozen.access_key), frozen.token


@contextmanager
def explained() -> Iterator[None]:
    """Turn AWS's errors into a `FleetError` of one line: the cause, and the next step.

    It is a `SignInEnded` when only other credentials can help.
    """
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as exc:
        raise SignInEnded(
            f"there are no AWS credentials; {_SIGN_IN}; a run without AWS: --target local"
        ) from exc
    except _SIGN_IN_ENDED as exc:
        raise SignInEnded(f"the AWS sign-in has ended; {_SIGN_IN}") from exc
    except (ProfileNotFound, NoRegionError) as exc:
        raise FleetError(
            f"{exc}; set AWS_PROFILE and AWS_REGION, or correct ~/.aws/config"
        ) from exc
    except EndpointConnectionError as exc:
        raise FleetError(
            f"AWS cannot be reached: {exc}; check the network, and that the region is right"
        ) from exc
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "?")
        ended = code in _EXPIRED | _INVALID
        raise (SignInEnded if ended else FleetError)(_client_error(exc)) from exc
    except (BotoCoreError, Boto3Error) as exc:
        raise FleetError(f"AWS failed: {exc}") from exc


def _client_error(exc: ClientError) -> str:
    error = exc.response.get("Error", {})
    code, message = error.get("Code", "?"), error.get("Message", "")
    if code in _EXPIRED:
        return f"the AWS credentials have expired; {_SIGN_IN}"
    if code in _INVALID:
        return f"AWS does not accept the credentials ({code}); {_SIGN_IN}"
    if code in _DENIED:
        return f"these credentials may not do {exc.operation_name}: {message}"
    if code in _GONE:
        return (
            f"{exc.operation_name}: {message or code}; "
            "is the stack in another region or account, or destroyed?"
        )
    return f"{exc.operation_name} failed ({code}): {message}"
