"""Whether the services can read the buckets of the inputs: their region, and their encryption.

It asks before a run, so that no task is paid for that could only fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from driver.cloud.aws import Aws, ClientError, explained
from driver.cloud.stack import Stack
from mapreduce.errors import FleetError, UsageError

_BUCKET = re.compile(r"(?:^|=)s3://([^/]+)")


def check_regions(texts: Iterable[str], stack: Stack, aws: Aws) -> None:
    """Check that the buckets of the inputs are in the stack's region.

    Args:
        texts: the inputs, as the user has given them.
        stack: the stack, whose services use one region for all buckets.
        aws: AWS in its region.

    Raises:
        UsageError: a bucket is in another region.
    """
    buckets = {found[1] for text in texts if (found := _BUCKET.search(text))}
    for bucket in sorted(buckets - {stack.bucket}):
        region = region_of(aws, bucket)
        if region is not None and region != stack.region:
            raise UsageError(
                f"the bucket {bucket!r} is in {region}, and the stack in {stack.region}: its "
                f"services read one region. Copy the input, for example: aws s3 cp --recursive "
                f"--source-region {region} --region {stack.region} s3://{bucket}/FOLDER "
                f"{stack.store}/input/FOLDER, or deploy a stack there: ./deploy.sh --name NAME "
                f"--region {region}"
            )


def region_of(aws: Aws, bucket: str) -> str | None:
    """Return a bucket's region, also when its objects may not be read; None if S3 does not say."""
    try:
        with explained():
            try:
                answer = aws.s3.head_bucket(Bucket=bucket)
            except ClientError as exc:
                answer = exc.response
    except FleetError:
        return None
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region")
    return str(region) if region else None


def check_encryption(urls: Iterable[str], stack: Stack, aws: Aws) -> list[str]:
    """Check that the services may decrypt the inputs; one object of each bucket is asked.

    Args:
        urls: the inputs.
        stack: the stack.
        aws: AWS in its region.

    Returns:
        Notes to the user about what cannot be told.

    Raises:
        UsageError: a bucket is encrypted with a key that the services may not use.
    """
    first: dict[str, str] = {}
    for url in urls:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if url.startswith("s3://") and bucket != stack.bucket:
            first.setdefault(bucket, key)
    notes = []
    for bucket, name in first.items():
        key_arn = _key_of(aws, bucket, name)
        if key_arn is None or key_arn in stack.extra_kms_key_arns:
            continue
        manager = _manager_of(aws, key_arn)
        if manager == "CUSTOMER":
            raise UsageError(
                f"s3://{bucket}/{name} is encrypted with {key_arn}, which the services may not use;"
                " add it to extra_kms_key_arns in terraform/deploy.auto.tfvars.json, and run "
                "./deploy.sh"
            )
        if manager is None:
            notes.append(
                f"s3://{bucket}/ is encrypted with {key_arn}; whether the services may use it "
                "cannot be asked with these credentials"
            )
    return notes


def _key_of(aws: Aws, bucket: str, key: str) -> str | None:
    """Return the KMS key with which an object is encrypted, if there is one."""
    try:
        with explained():
            found = aws.s3.head_object(Bucket=bucket, Key=key).get("SSEKMSKeyId")
    except FleetError:
        return None
    return str(found) if found else None


def _manager_of(aws: Aws, key_arn: str) -> str | None:
    """Return who manages a key: AWS lets every role of the account use its own, through S3."""
    try:
        with explained():
            return str(aws.kms.describe_key(KeyId=key_arn)["KeyMetadata"]["KeyManager"])
    except FleetError:
        return None
