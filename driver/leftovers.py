"""What is still in an account of a stack that should be gone: looked up by tag, then each thing asked for by itself.

The tagging API lists a resource for a while after it is deleted, and IAM roles not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from driver.fleet.aws import Aws, ClientError, explained
from driver.pricing import resource_day
from mapreduce.messages import Message

PROJECT = "mapreduce-on-fargate"


class Leftover(Message):
    """A resource that is still there, and what it costs a day, in words."""

    arn: str
    costs_a_day: str


def find_leftovers(name: str, aws: Aws) -> list[Leftover]:
    """Everything of a stack that still exists.

    Args:
        name: the stack's.
        aws: its region.
    """
    with explained():
        arns = [arn for arn in _tagged(name, aws) if _exists(arn, aws)]
        arns += _roles(name, aws)
    return [Leftover(arn=arn, costs_a_day=resource_day(_service_of(arn))) for arn in sorted(arns)]


def _tagged(name: str, aws: Aws) -> Iterator[str]:
    pages = aws.tagging.get_paginator("get_resources").paginate(
        TagFilters=[{"Key": "Project", "Values": [PROJECT]}, {"Key": "Stack", "Values": [name]}]
    )
    for page in pages:
        for resource in page["ResourceTagMappingList"]:
            yield resource["ResourceARN"]


def _roles(name: str, aws: Aws) -> list[str]:
    try:
        pages = aws.iam.get_paginator("list_roles").paginate()
        return [role["Arn"] for page in pages for role in page["Roles"] if role["RoleName"].startswith(f"{name}-")]
    except ClientError:
        return []  # credentials that may not list roles (AWS Academy) have created none either


def _exists(arn: str, aws: Aws) -> bool:
    """Asks the resource's own service; what nobody here knows how to ask for counts as there."""
    service, resource = _service_of(arn), arn.split(":", 5)[5]
    kind, _, identifier = resource.partition("/")
    ask = _QUESTIONS.get((service, kind)) or _QUESTIONS.get((service, ""))
    if ask is None:
        return True
    try:
        return ask(aws, arn, identifier)
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "")
        if "NotFound" in code or code in ("404", "NoSuchBucket"):
            return False
        raise


def _service_of(arn: str) -> str:
    return arn.split(":", 3)[2]


def _ecs_service(aws: Aws, arn: str, identifier: str) -> bool:
    cluster, _, _ = identifier.partition("/")
    found = aws.ecs.describe_services(cluster=cluster, services=[arn])["services"]
    return any(service["status"] == "ACTIVE" for service in found)


def _ecs_cluster(aws: Aws, arn: str, identifier: str) -> bool:
    found = aws.ecs.describe_clusters(clusters=[arn])["clusters"]
    return any(cluster["status"] == "ACTIVE" for cluster in found)


def _log_group(aws: Aws, arn: str, identifier: str) -> bool:
    name = arn.split(":log-group:", 1)[1].removesuffix(":*")
    found = aws.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in found)


def _secret(aws: Aws, arn: str, identifier: str) -> bool:
    return "DeletedDate" not in aws.secrets.describe_secret(SecretId=arn)


def _repository(aws: Aws, arn: str, identifier: str) -> bool:
    return bool(aws.ecr.describe_repositories(repositoryNames=[identifier])["repositories"])


def _bucket(aws: Aws, arn: str, identifier: str) -> bool:
    aws.s3.head_bucket(Bucket=arn.rpartition(":")[2])
    return True


def _never(aws: Aws, arn: str, identifier: str) -> bool:
    """A definition that no task runs is kept by AWS for ever, inactive and free; a task ends with its service."""
    return False


_QUESTIONS: dict[tuple[str, str], Callable[[Aws, str, str], bool]] = {
    ("ecs", "service"): _ecs_service,
    ("ecs", "cluster"): _ecs_cluster,
    ("ecs", "task-definition"): _never,
    ("ecs", "task"): _never,
    ("logs", ""): _log_group,
    ("secretsmanager", ""): _secret,
    ("ecr", "repository"): _repository,
    ("s3", ""): _bucket,
    ("ec2", "vpc"): lambda aws, _, name: bool(aws.ec2.describe_vpcs(VpcIds=[name])["Vpcs"]),
    ("ec2", "subnet"): lambda aws, _, name: bool(aws.ec2.describe_subnets(SubnetIds=[name])["Subnets"]),
    ("ec2", "security-group"): lambda aws, _, name: bool(
        aws.ec2.describe_security_groups(GroupIds=[name])["SecurityGroups"]
    ),
    ("ec2", "internet-gateway"): lambda aws, _, name: bool(
        aws.ec2.describe_internet_gateways(InternetGatewayIds=[name])["InternetGateways"]
    ),
    ("ec2", "route-table"): lambda aws, _, name: bool(
        aws.ec2.describe_route_tables(RouteTableIds=[name])["RouteTables"]
    ),
    ("ec2", "vpc-endpoint"): lambda aws, _, name: any(
        endpoint["State"] not in ("deleted", "deleting")
        for endpoint in aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[name])["VpcEndpoints"]
    ),
}
