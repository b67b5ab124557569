"""The credentials with which this machine reads S3: of the user, wherever they come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from mapreduce.errors import UsageError
from mapreduce.storage import Storage

FOR_SERVICES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
"""Variables with which a service on this machine finds credentials; it does not read profiles."""
UNSIGNED = "AWS_SKIP_SIGNATURE"
"""With the value true, public data is read without credentials."""
_OF_MACHINES = ("iam-role", "container-role")


def user_bucket() -> Callable[[str], Storage]:
    """Return a function that opens a bucket with the user's credentials, as AWS's tools do.

    boto3 is imported at the first bucket. The function raises `FleetError` without credentials: in
    a second, where S3's client would ask the address of a machine's role for minutes.
    """

    def opened(bucket: str) -> Storage:
        from driver.cloud.aws import Aws
        from mapreduce.storage.s3 import open_s3

        if is_unsigned(os.environ):
            return open_s3(bucket)
        aws = Aws()
        return open_s3(
            bucket,
            credentials=aws.credential_provider(),
            region=aws.region,
            copy_large=aws.copy_large,
        )

    return opened


def check_services_keys(urls: Iterable[str]) -> None:
    """Check that services on this machine will find credentials for their URLs.

    Raises:
        UsageError: the user has signed in with a profile, which the services cannot read.
        FleetError: there are no credentials.
    """
    if services_find_keys(os.environ) or not any(url.startswith("s3://") for url in urls):
        return
    from driver.cloud.aws import Aws

    if Aws().credentials_source() not in _OF_MACHINES:
        raise UsageError(
            "the services on this machine read S3 with keys from the environment, and not from a "
            'profile; first: eval "$(aws configure export-credentials --format env)"'
        )


def services_find_keys(environment: Mapping[str, str]) -> bool:
    """Return whether a service with these variables needs no profile."""
    return is_unsigned(environment) or any(environment.get(name) for name in FOR_SERVICES)


def is_unsigned(environment: Mapping[str, str]) -> bool:
    """Return whether requests carry no signature."""
    return environment.get(UNSIGNED, "").lower() in ("1", "true", "yes", "on")
