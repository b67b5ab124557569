"""Terraform's state in a bucket, for several checkouts of one stack: the file that names it, and
the settings beside it.

The file is Terraform's own: every command in the folder uses it, typed by hand or not.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from driver.cloud.aws import Aws, ClientError, explained
from driver.cloud.stack import StackIdentity
from driver.cloud.system import system_of
from driver.cloud.terraform import BACKEND_FILE
from driver.program.command_name import COMMAND
from mapreduce.errors import FleetError, UsageError

STATE_OBJECT = "terraform.tfstate"
SETTINGS_OBJECT = "deploy.auto.tfvars.json"
_MISSING = {"NoSuchKey", "NoSuchBucket", "404"}


class RemoteState(BaseModel):
    """Where the state of one stack is: a bucket with its region, and the stack."""

    model_config = ConfigDict(frozen=True)

    bucket: str
    bucket_region: str
    stack: StackIdentity

    def key(self, name: str) -> str:
        """Return the key of one of the stack's objects."""
        return f"mapreduce/{self.stack.name}/{self.stack.region}/{name}"

    @property
    def url(self) -> str:
        """The state's URL."""
        return f"s3://{self.bucket}/{self.key(STATE_OBJECT)}"

    def backend(self) -> str:
        """Return the text of Terraform's file: encrypted, and locked by an object beside it."""
        backend = {
            "bucket": self.bucket,
            "key": self.key(STATE_OBJECT),
            "region": self.bucket_region,
            "encrypt": True,
            "use_lockfile": True,
        }
        return json.dumps({"terraform": {"backend": {"s3": backend}}}, indent=2) + "\n"


def remote_state(folder: Path) -> RemoteState | None:
    """Return where the state of a checkout is, or None when it is in the checkout.

    Raises:
        UsageError: the file is not one that this version writes.
    """
    file = folder / BACKEND_FILE
    if not file.exists():
        return None
    try:
        backend = json.loads(file.read_text())["terraform"]["backend"]["s3"]
        prefix, name, region, state = backend["key"].split("/")
        found = RemoteState(
            bucket=backend["bucket"],
            bucket_region=backend["region"],
            stack=StackIdentity(name=name, region=region),
        )
    except (ValueError, KeyError, TypeError, ValidationError) as exc:
        raise UsageError(f"{file} names no state of a stack; {_rewrite(folder)}") from exc
    if (prefix, state) != ("mapreduce", STATE_OBJECT):
        raise UsageError(f"{file}: the key of {found.url} is another; {_rewrite(folder)}")
    return found


def _rewrite(folder: Path) -> str:
    """Return how to write a folder's file again."""
    of = system_of(folder)
    option = "" if of.is_default else f" --system {of.system}"
    command = f"{COMMAND} stack remote-state BUCKET{option} --name NAME --region REGION"
    return f"write it again: {command}"


def bucket_region(aws: Aws, bucket: str) -> str | None:
    """Return the region of a bucket, or None when there is no such bucket.

    Raises:
        FleetError: it belongs to another account, or S3 cannot be asked.
    """
    with explained():
        try:
            answer = aws.s3.head_bucket(Bucket=bucket)
        except ClientError as exc:
            error = exc.response.get("Error", {})
            headers = exc.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            if error.get("Code") in _MISSING:
                return None
            if (
                elsewhere := headers.get("x-amz-bucket-region")
                if error.get("Code") == "301"
                else ""
            ):
                return str(elsewhere)
            if error.get("Code") == "403":
                raise FleetError(
                    f"the bucket {bucket} is another account's, or these credentials may not use "
                    "it; choose another name"
                ) from exc
            raise
    return str(answer.get("BucketRegion") or aws.region)


def make_bucket(aws: Aws, bucket: str, region: str) -> None:
    """Make a bucket for states: private, TLS only, and with versions, so that no state is lost."""
    place = (
        {}
        if region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    arn = f"arn:{aws.partition}:s3:::{bucket}"
    tls_only = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
    closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    with explained():
        aws.s3.create_bucket(Bucket=bucket, **place)
        aws.s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(closed, True)
        )
        aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        aws.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(tls_only))


def shared_settings(aws: Aws, state: RemoteState) -> str | None:
    """Return the settings of the stack's last deployment from any checkout, or None."""
    with explained():
        try:
            answer = aws.s3.get_object(Bucket=state.bucket, Key=state.key(SETTINGS_OBJECT))
        except ClientError as exc:
            if exc.response.get("Error", {}).get("Code") in _MISSING:
                return None
            raise
        return str(answer["Body"].read().decode())


def share_settings(aws: Aws, state: RemoteState, settings: str) -> None:
    """Store the settings of a deployment beside the state."""
    with explained():
        aws.s3.put_object(
            Bucket=state.bucket, Key=state.key(SETTINGS_OBJECT), Body=settings.encode()
        )
