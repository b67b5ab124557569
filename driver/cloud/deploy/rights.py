"""The actions that a deployment needs, by what it makes. Data, and the ARNs that they are about.

Terraform calls these for the resource types of terraform/modules, deploy.sh for the images. Most of
what reads and deletes is here too: an apply that cannot read back what it has made fails half way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from driver.cloud.deploy.needs import Needs


@dataclass(frozen=True, slots=True)
class Rights:
    """Actions about the same resources.

    Attributes:
        resources: ARNs, with `{partition}`, `{region}`, `{account}`, `{name}` and `{role}`.
        actions: the actions.
    """

    resources: tuple[str, ...]
    actions: tuple[str, ...]


def _of(service: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names)


ANY = ("*",)
IMAGES = Rights(
    ("arn:{partition}:ecr:{region}:{account}:repository/{name}/{role}",),
    _of(
        "ecr",
        *("CreateRepository", "DescribeRepositories", "DeleteRepository", "DescribeImages"),
        *("PutLifecyclePolicy", "GetLifecyclePolicy", "DeleteLifecyclePolicy"),
        *("ListTagsForResource", "TagResource", "BatchCheckLayerAvailability", "BatchGetImage"),
        *("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"),
    ),
)
REGISTRY = Rights(ANY, _of("ecr", "GetAuthorizationToken"))
CLUSTER = Rights(
    ("arn:{partition}:ecs:{region}:{account}:cluster/{name}",),
    _of("ecs", "CreateCluster", "DescribeClusters", "DeleteCluster", "PutClusterCapacityProviders"),
)
SERVICES = Rights(
    ("arn:{partition}:ecs:{region}:{account}:service/{name}/{role}",),
    _of("ecs", "CreateService", "DescribeServices", "UpdateService", "DeleteService"),
)
DEFINITIONS = Rights(
    ANY,
    _of("ecs", "RegisterTaskDefinition", "DescribeTaskDefinition", "DeregisterTaskDefinition"),
)
LOGS = Rights(
    ("arn:{partition}:logs:{region}:{account}:log-group:/ecs/{name}/{role}",),
    _of(
        "logs",
        *("CreateLogGroup", "PutRetentionPolicy", "DeleteLogGroup"),
        *("ListTagsForResource", "TagResource"),
    ),
)
LOG_GROUPS = Rights(ANY, _of("logs", "DescribeLogGroups"))
BUCKET = Rights(
    ("arn:{partition}:s3:::{name}-{account}-{region}",),
    _of(
        "s3",
        *("CreateBucket", "ListBucket", "DeleteBucket", "PutBucketTagging", "GetBucketTagging"),
        *("PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"),
        *("PutBucketPublicAccessBlock", "GetBucketPublicAccessBlock"),
        *("PutBucketOwnershipControls", "GetBucketOwnershipControls"),
        *("PutEncryptionConfiguration", "GetEncryptionConfiguration"),
        *("PutLifecycleConfiguration", "GetLifecycleConfiguration"),
    ),
)
OBJECTS = Rights(
    ("arn:{partition}:s3:::{name}-{account}-{region}/input/x",),
    _of("s3", "GetObject", "PutObject", "DeleteObject"),
)
KEY = Rights(
    ("arn:{partition}:ssm:{region}:{account}:parameter/{name}/signing-key",),
    _of(
        "ssm",
        *("PutParameter", "GetParameter", "DeleteParameter"),
        *("AddTagsToResource", "ListTagsForResource"),
    ),
)
RANDOM = Rights(ANY, _of("secretsmanager", "GetRandomPassword"))
GROUPS = Rights(
    ANY,
    _of(
        "ec2",
        *("CreateSecurityGroup", "DescribeSecurityGroups", "DeleteSecurityGroup", "CreateTags"),
        *("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"),
        *("AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress"),
        *("DescribeSecurityGroupRules", "DescribeNetworkInterfaces", "DescribeVpcs"),
    ),
)
NETWORK = Rights(
    ANY,
    _of(
        "ec2",
        *("CreateVpc", "DescribeVpcAttribute", "ModifyVpcAttribute", "DeleteVpc"),
        *("CreateSubnet", "DescribeSubnets", "ModifySubnetAttribute", "DeleteSubnet"),
        *("CreateInternetGateway", "AttachInternetGateway", "DescribeInternetGateways"),
        *("DetachInternetGateway", "DeleteInternetGateway", "DescribeAvailabilityZones"),
        *("CreateRouteTable", "CreateRoute", "AssociateRouteTable", "DescribeRouteTables"),
        *("DisassociateRouteTable", "DeleteRoute", "DeleteRouteTable"),
        *("CreateVpcEndpoint", "DescribeVpcEndpoints", "DescribePrefixLists"),
        "DeleteVpcEndpoints",
    ),
)
DISCOVERY = Rights(
    ANY,
    _of(
        "servicediscovery",
        *("GetNamespace", "GetOperation", "DeleteNamespace", "CreateService", "GetService"),
        *("DeleteService", "ListTagsForResource", "TagResource"),
    ),
)
HTTP_NAMESPACE = Rights(ANY, _of("servicediscovery", "CreateHttpNamespace"))
DNS_NAMESPACE = Rights(
    ANY,
    (
        *_of("servicediscovery", "CreatePrivateDnsNamespace"),
        *_of("route53", "CreateHostedZone", "GetHostedZone", "DeleteHostedZone"),
    ),
)
ROLES = Rights(
    ("arn:{partition}:iam::{account}:role/{name}-{region}-{role}",),
    _of(
        "iam",
        *("CreateRole", "GetRole", "DeleteRole", "TagRole", "PassRole"),
        *("PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy"),
        *("ListRolePolicies", "ListAttachedRolePolicies", "ListInstanceProfilesForRole"),
    ),
)
ALARMS = Rights(
    ANY,
    (
        *_of("cloudwatch", "PutMetricAlarm", "DescribeAlarms", "DeleteAlarms"),
        *_of("cloudwatch", "PutDashboard", "GetDashboard", "DeleteDashboards"),
        *_of("logs", "PutMetricFilter", "DescribeMetricFilters", "DeleteMetricFilter"),
    ),
)
SCHEDULE = Rights(
    ANY,
    _of(
        "scheduler",
        *("CreateScheduleGroup", "GetScheduleGroup", "DeleteScheduleGroup"),
        *("CreateSchedule", "GetSchedule", "DeleteSchedule", "ListTagsForResource"),
    ),
)
LOAD_BALANCER = Rights(
    ANY,
    _of(
        "elasticloadbalancing",
        *("CreateLoadBalancer", "DescribeLoadBalancers", "DeleteLoadBalancer", "AddTags"),
        *("ModifyLoadBalancerAttributes", "DescribeLoadBalancerAttributes", "DescribeTags"),
        *("CreateTargetGroup", "DescribeTargetGroups", "DeleteTargetGroup"),
        *("ModifyTargetGroupAttributes", "DescribeTargetGroupAttributes"),
        *("CreateListener", "DescribeListeners", "DeleteListener"),
        *("DescribeCapacityReservation", "DescribeListenerAttributes"),
    ),
)
BUDGET = Rights(ANY, _of("budgets", "ModifyBudget", "ViewBudget"))
ALWAYS = (
    IMAGES,
    REGISTRY,
    CLUSTER,
    SERVICES,
    DEFINITIONS,
    LOGS,
    LOG_GROUPS,
    GROUPS,
)


def rights_for(needs: Needs) -> Iterator[Rights]:
    """Yield the rights that a deployment needs; with an existing role, none about roles."""
    yield from ALWAYS
    if needs.bucket:
        yield BUCKET
        yield OBJECTS
    if needs.key:
        yield KEY
        yield RANDOM
    if needs.network:
        yield NETWORK
    if needs.discovery != "none":
        yield DISCOVERY
        yield HTTP_NAMESPACE if needs.discovery == "api" else DNS_NAMESPACE
    if not needs.existing_role:
        yield ROLES
    if needs.alarms:
        yield ALARMS
    if needs.nightly_stop:
        yield SCHEDULE
    if needs.budget:
        yield BUDGET
    if needs.load_balancer:
        yield LOAD_BALANCER
    if needs.actions:
        yield Rights(ANY, needs.actions)


def resources_of(rights: Rights, needs: Needs, account: str, partition: str) -> list[str]:
    """Return the ARNs that the actions are about, in one stack."""
    return [
        resource.format(
            partition=partition,
            region=needs.region,
            account=account,
            name=needs.name,
            role=needs.services[0],
        )
        for resource in rights.resources
    ]


def policy_source(arn: str) -> str | None:
    """Return the ARN whose policies say what a caller may do; None when no policy does.

    Args:
        arn: of the caller: a user, the session of a role, the root user, or a federated user.
    """
    _, partition, _, _, account, resource = arn.split(":", 5)
    kind, _, rest = resource.partition("/")
    if kind == "user":
        return arn
    if kind == "assumed-role":
        return f"arn:{partition}:iam::{account}:role/{rest.partition('/')[0]}"
    return None
