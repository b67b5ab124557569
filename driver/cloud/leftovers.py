"""Finds what is left in an account of a destroyed stack: by tag, then each resource by itself.

The tagging API lists a resource for a while after it is deleted, may not list a new one yet, and
lists no IAM roles, dashboards and budgets. These, and resources that Terraform may have lost track
of, are therefore also looked up by name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from driver.cloud.aws import Aws, ClientError, explained
from driver.forecast.pricing import resource_day
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import ParameterStringFilterTypeDef

PROJECT = "mapreduce-on-fargate"
CLEAN_LOOKS = 2
"""Looks in a row that must find nothing: AWS's lists are eventually consistent."""

PAUSE_S = 3.0
OTHER_ROLES = ("execution", "nightly-stop", "driver", "driver-execution", "schedule")
"""Ends of the names of IAM roles beside those of the services, in every system."""
OTHER_FAMILIES = ("driver",)
"""Ends of the names of task definitions that no service runs."""
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}
_DEFINITION = ":task-definition/"


class Leftover(Message):
    """A resource that still exists, and what it costs a day, in words."""

    arn: str
    costs_a_day: str

    @property
    def is_definition(self) -> bool:
        """Whether it is an ECS task definition."""
        return _DEFINITION in self.arn


def find_leftovers(name: str, services: Collection[str], aws: Aws) -> list[Leftover]:
    """Return everything of a stack that still exists.

    Args:
        name: the stack's name.
        services: the names of the ECS services that a stack of its system may have.
        aws: AWS in its region.
    """
    with explained():
        arns = {arn for arn in _tagged(name, aws) if _exists(arn, aws)}
        arns |= {*_roles(name, services, aws), *_definitions(name, services, aws)}
        arns |= {*_dashboards(name, aws), *_budgets(name, aws)}
        return [
            Leftover(arn=arn, costs_a_day=resource_day(_priced_as(arn, aws)))
            for arn in sorted(arns)
        ]


def orphans(found: Sequence[Leftover]) -> list[str]:
    """Return the ARNs of task definitions that no cluster, service or task can use any more.

    Terraform destroys only what its state names. AWS's SDK sends `RegisterTaskDefinition` again
    when an answer is lost, and the call is not idempotent: the state names the second revision, and
    the first stays active.
    """
    if any(_service_of(left.arn) == "ecs" and not left.is_definition for left in found):
        return []
    return [left.arn for left in found if left.is_definition]


def deregister_orphans(found: Sequence[Leftover], aws: Aws) -> list[str]:
    """Deregister the `orphans` among what was found; return their ARNs."""
    arns = orphans(found)
    with explained():
        for arn in arns:
            aws.ecs.deregister_task_definition(taskDefinition=arn)
    return arns


def watch(
    look: Callable[[], list[Leftover]],
    *,
    wait_s: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Leftover]:
    """Look until `CLEAN_LOOKS` looks in a row found nothing, or time is up; return the last look.

    Args:
        look: finds what is left.
        wait_s: how long to wait for deletions, in seconds; with 0 there is one look.
        now: a clock, in seconds.
        sleep: waits for a number of seconds.
    """
    deadline, clean = now() + wait_s, 0
    while True:
        found = look()
        clean = 0 if found else clean + 1
        is_late = now() >= deadline
        # a clean look is confirmed even when time is up
        if clean >= CLEAN_LOOKS or (is_late and (found or not wait_s)):
            return found
        sleep(PAUSE_S)


def _tagged(name: str, aws: Aws) -> Iterator[str]:
    pages = aws.tagging.get_paginator("get_resources").paginate(
        TagFilters=[{"Key": "Project", "Values": [PROJECT]}, {"Key": "Stack", "Values": [name]}]
    )
    for page in pages:
        for resource in page["ResourceTagMappingList"]:
            yield resource["ResourceARN"]


def _roles(name: str, services: Collection[str], aws: Aws) -> list[str]:
    # whole names: a stack `books-us-east-1` is another one, and its roles begin with these words
    names = {f"{name}-{aws.region}-{role}" for role in (*services, *OTHER_ROLES)}
    try:
        pages = aws.iam.get_paginator("list_roles").paginate()
        return [
            role["Arn"] for page in pages for role in page["Roles"] if role["RoleName"] in names
        ]
    except ClientError:
        return []  # credentials that may not list roles (AWS Academy) have created none either


def _dashboards(name: str, aws: Aws) -> list[str]:
    wanted = f"{name}-{aws.region}"
    try:
        pages = aws.cloudwatch.get_paginator("list_dashboards").paginate(DashboardNamePrefix=wanted)
        found = [board for page in pages for board in page["DashboardEntries"]]
    except ClientError as exc:
        return _none_if_denied(exc)
    return [board["DashboardArn"] for board in found if board["DashboardName"] == wanted]


def _budgets(name: str, aws: Aws) -> list[str]:
    account = aws.sts.get_caller_identity()["Account"]
    arn = f"arn:{aws.partition}:budgets::{account}:budget/{name}-monthly"
    try:
        return [arn] if _exists(arn, aws) else []
    except ClientError as exc:
        return _none_if_denied(exc)


def _none_if_denied(exc: ClientError) -> list[str]:
    """Return no resource: credentials that may not look for it have created none either.

    Raises:
        ClientError: the request failed for another reason.
    """
    if exc.response.get("Error", {}).get("Code") in DENIED:
        return []
    raise exc


def _definitions(name: str, services: Collection[str], aws: Aws) -> Iterator[str]:
    """Yield every active revision of the stack's families."""
    for role in (*services, *OTHER_FAMILIES):
        family = f"{name}-{role}"
        pages = aws.ecs.get_paginator("list_task_definitions").paginate(
            familyPrefix=family, status="ACTIVE"
        )
        for arn in (arn for page in pages for arn in page["taskDefinitionArns"]):
            if arn.partition(_DEFINITION)[2].rpartition(":")[0] == family:
                yield arn


def _exists(arn: str, aws: Aws) -> bool:
    """Ask the resource's service whether it exists; an unknown kind counts as existing."""
    service, resource = _service_of(arn), arn.split(":", 5)[5]
    kind, _, identifier = resource.partition("/")
    ask = _QUESTIONS.get((service, kind)) or _QUESTIONS.get((service, ""))
    if ask is None:
        return True
    try:
        return ask(aws, arn, identifier)
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "")
        if "NotFound" in code or code in ("404", "NoSuchBucket", "NoSuchHostedZone"):
            return False
        raise


def _service_of(arn: str) -> str:
    return arn.split(":", 3)[2]


def _priced_as(arn: str, aws: Aws) -> str:
    """Return the service that a resource is billed by, or "" when it is free."""
    if _DEFINITION in arn:
        return ""
    if ":namespace/" in arn:
        return "route53" if _has_zone(aws, arn.rpartition("/")[2]) else ""
    if ":loadbalancer/" in arn:
        return "load balancer"
    return "dashboard" if ":dashboard/" in arn else _service_of(arn)


def _ecs_service(aws: Aws, arn: str, identifier: str) -> bool:
    cluster, _, _ = identifier.partition("/")
    found = aws.ecs.describe_services(cluster=cluster, services=[arn])["services"]
    return any(service["status"] != "INACTIVE" for service in found)


def _ecs_cluster(aws: Aws, arn: str, identifier: str) -> bool:
    found = aws.ecs.describe_clusters(clusters=[arn])["clusters"]
    return any(cluster["status"] != "INACTIVE" for cluster in found)


def _ecs_task(aws: Aws, arn: str, identifier: str) -> bool:
    """Return whether a task exists: it is billed until it has stopped, and then still listed."""
    cluster, _, _ = identifier.partition("/")
    found = aws.ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
    return any(task["lastStatus"] != "STOPPED" for task in found)


def _definition(aws: Aws, arn: str, identifier: str) -> bool:
    """Return whether a definition is active; AWS keeps deregistered ones, which are free."""
    try:
        found = aws.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    except aws.ecs.exceptions.ClientException:  # the definition has been deleted
        return False
    return found["status"] == "ACTIVE"


def _log_group(aws: Aws, arn: str, identifier: str) -> bool:
    name = arn.split(":log-group:", 1)[1].removesuffix(":*")
    found = aws.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in found)


def _parameter(aws: Aws, arn: str, identifier: str) -> bool:
    name = arn.partition(":parameter")[2]  # it begins with a slash
    asked: ParameterStringFilterTypeDef = {"Key": "Name", "Option": "Equals", "Values": [name]}
    return bool(aws.ssm.describe_parameters(ParameterFilters=[asked])["Parameters"])


def _alarm(aws: Aws, arn: str, identifier: str) -> bool:
    name = arn.split(":alarm:", 1)[1]
    return bool(aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"])


def _budget(aws: Aws, arn: str, identifier: str) -> bool:
    account = arn.split(":")[4]
    return bool(aws.budgets.describe_budget(AccountId=account, BudgetName=identifier)["Budget"])


def _repository(aws: Aws, arn: str, identifier: str) -> bool:
    return bool(aws.ecr.describe_repositories(repositoryNames=[identifier])["repositories"])


def _bucket(aws: Aws, arn: str, identifier: str) -> bool:
    aws.s3.head_bucket(Bucket=arn.rpartition(":")[2])
    return True


def _has_zone(aws: Aws, namespace: str) -> bool:
    try:
        found = aws.discovery.get_namespace(Id=namespace)["Namespace"]
    except aws.discovery.exceptions.NamespaceNotFound:  # deleted since it was found
        return False
    return found.get("Type", "").startswith("DNS")


def _namespace(aws: Aws, arn: str, identifier: str) -> bool:
    return bool(aws.discovery.get_namespace(Id=identifier)["Namespace"])


def _discovery_service(aws: Aws, arn: str, identifier: str) -> bool:
    return bool(aws.discovery.get_service(Id=identifier)["Service"])


_QUESTIONS: dict[tuple[str, str], Callable[[Aws, str, str], bool]] = {
    ("ecs", "service"): _ecs_service,
    ("ecs", "cluster"): _ecs_cluster,
    ("ecs", "task-definition"): _definition,
    ("ecs", "task"): _ecs_task,
    ("logs", ""): _log_group,
    ("ssm", "parameter"): _parameter,
    ("cloudwatch", ""): _alarm,
    ("elasticloadbalancing", "loadbalancer"): lambda aws, arn, _: bool(
        aws.balancing.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    ),
    ("elasticloadbalancing", "listener"): lambda aws, arn, _: bool(
        aws.balancing.describe_listeners(ListenerArns=[arn])["Listeners"]
    ),
    ("elasticloadbalancing", "targetgroup"): lambda aws, arn, _: bool(
        aws.balancing.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    ),
    ("scheduler", "schedule-group"): lambda aws, _, name: (
        aws.scheduler.get_schedule_group(Name=name)["State"] != "DELETING"
    ),
    ("events", "rule"): lambda aws, _, name: bool(aws.eventbridge.describe_rule(Name=name)["Name"]),
    ("sns", ""): lambda aws, arn, _: bool(aws.sns.get_topic_attributes(TopicArn=arn)["Attributes"]),
    ("budgets", "budget"): _budget,
    ("ecr", "repository"): _repository,
    ("s3", ""): _bucket,
    ("servicediscovery", "namespace"): _namespace,
    ("servicediscovery", "service"): _discovery_service,
    ("route53", "hostedzone"): lambda aws, _, name: bool(
        aws.route53.get_hosted_zone(Id=name)["HostedZone"]
    ),
    ("ec2", "security-group-rule"): lambda aws, _, name: bool(
        aws.ec2.describe_security_group_rules(SecurityGroupRuleIds=[name])["SecurityGroupRules"]
    ),
    ("ec2", "network-interface"): lambda aws, _, name: bool(
        aws.ec2.describe_network_interfaces(NetworkInterfaceIds=[name])["NetworkInterfaces"]
    ),
    ("ec2", "vpc"): lambda aws, _, name: bool(aws.ec2.describe_vpcs(VpcIds=[name])["Vpcs"]),
    ("ec2", "subnet"): lambda aws, _, name: bool(
        aws.ec2.describe_subnets(SubnetIds=[name])["Subnets"]
    ),
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
