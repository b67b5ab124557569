"""Checks the account before a deployment: credentials, and the quotas and rights that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driver.doctor.finding import Finding
from mapreduce.errors import FleetError

if TYPE_CHECKING:
    from driver.cloud.aws import Aws

FARGATE_VCPU_QUOTA = "L-3032A538"


def credentials(aws: Aws) -> Finding:
    """Check the credentials' identity."""
    from driver.cloud.aws import explained

    try:
        with explained():
            identity = aws.sts.get_caller_identity()
    except FleetError as exc:
        return Finding("credentials", False, str(exc), "then run this again")
    return Finding("credentials", True, f"account {identity['Account']}, {identity['Arn']}")


def fargate_quota(aws: Aws, vcpus_needed: float) -> Finding:
    """Check the account's vCPU quota; credentials that may not read it pass."""
    from driver.cloud.aws import explained

    try:
        with explained():
            quota = aws.quotas.get_service_quota(
                ServiceCode="fargate", QuotaCode=FARGATE_VCPU_QUOTA
            )["Quota"]["Value"]
    except (FleetError, KeyError):
        return Finding(
            "Fargate quota", True, "cannot be asked with these credentials; going on without"
        )
    return Finding(
        "Fargate quota",
        quota >= vcpus_needed,
        f"{quota:g} vCPUs, {vcpus_needed:g} needed",
        "lower mapper_count or mapper_cpu, or raise the quota: Service Quotas, AWS Fargate",
    )
