"""Quotas of the account against what the templates need, and the service-linked roles that must be there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.cost.tasks import capacity, spread
from stack.doctor.finding import Finding, Findings, Subject
from stack.now import tasks
from stack.scan.resolve import references
from stack.scan.templates import Resolved

_ON_DEMAND = "FARGATE"
# AWS/Usage has a value every five minutes.
_USAGE_PERIOD, _USAGE_WINDOW = 300, timedelta(minutes=30)


@dataclass(frozen=True)
class _Counted:
    """A quota on how many resources of a type a region may have."""

    name: str
    service: str
    code: str
    type: str
    used: Callable[[Cloud], int]


def _pages(cloud: Cloud, service: str, operation: str, key: str) -> list[Any]:
    pages = cloud.cached(service).get_paginator(operation).paginate()
    return [one for page in pages for one in page[key]]


def _application_balancers(cloud: Cloud) -> int:
    found = _pages(cloud, "elbv2", "describe_load_balancers", "LoadBalancers")
    return sum(one["Type"] == "application" for one in found)


_COUNTED = (
    _Counted(
        "VPCs",
        "vpc",
        "L-F678F1CE",
        "AWS::EC2::VPC",
        lambda cloud: len(_pages(cloud, "ec2", "describe_vpcs", "Vpcs")),
    ),
    _Counted(
        "Elastic IP addresses",
        "ec2",
        "L-0263D0A3",
        "AWS::EC2::EIP",
        # Not in pages: the API gives all of them.
        lambda cloud: len(cloud.cached("ec2").describe_addresses()["Addresses"]),
    ),
    _Counted(
        "load balancers",
        "elasticloadbalancing",
        "L-53DA6B97",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        _application_balancers,
    ),
)
_FARGATE = ("fargate", "L-3032A538")

# By the type that needs it: the role, and whom it is for.
_LINKED = {
    "AWS::ECS::Service": ("AWSServiceRoleForECS", "ecs.amazonaws.com"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "AWSServiceRoleForElasticLoadBalancing",
        "elasticloadbalancing.amazonaws.com",
    ),
    "AWS::ApplicationAutoScaling::ScalableTarget": (
        "AWSServiceRoleForApplicationAutoScaling_ECSService",
        "ecs.application-autoscaling.amazonaws.com",
    ),
}


def counted(subject: Subject) -> Findings:
    """Whether there is room for what an account may have few of."""
    for quota in _COUNTED:
        name = f"quota: {quota.name}"
        wanted = subject.count(quota.type)
        if not wanted:
            yield Finding(name, "not needed", f"{subject.cloud.environment.name} has none")
            continue
        more = max(0, wanted - _own(subject, quota.type))
        if not more:
            yield Finding(name, "ok", f"{subject.cloud.environment.name} has all {wanted} that it needs")
            continue
        allowed = float(_quota(subject.cloud, quota.service, quota.code)["Value"])
        used = quota.used(subject.cloud)
        saw = f"{used} of {allowed:g} are used, {subject.cloud.environment.name} needs {more} more"
        yield _judged(name, used + more, allowed, saw, quota.service, quota.code)


def vcpus(subject: Subject) -> Findings:
    """Whether all tasks, with those of a deployment beside them, fit under the quota of on-demand vCPUs."""
    name, environment = "quota: Fargate vCPUs", subject.cloud.environment.name
    needed = sum(_most_vcpus(found) for found in subject.templates.values())
    if not needed:
        yield Finding(name, "not needed", f"{environment} runs nothing on Fargate on demand")
        return
    quota = _quota(subject.cloud, *_FARGATE)
    allowed = float(quota["Value"])
    others = max(0.0, _usage(subject.cloud, quota) - _running_vcpus(subject))
    saw = (
        f"{environment} needs up to {needed:g} (all tasks, and those of a deployment beside them), "
        f"others use {others:g}, {allowed:g} are allowed"
    )
    yield _judged(name, others + needed, allowed, saw, *_FARGATE)


def _judged(name: str, sum_: float, allowed: float, saw: str, service: str, code: str) -> Finding:
    if sum_ <= allowed:
        return Finding(name, "ok", saw)
    ask = (
        f"aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code} "
        f"--desired-value {sum_:g}"
    )
    return Finding(name, "problem", saw, ask)


def _own(subject: Subject, kind: str) -> int:
    """How many of a type the environment's stacks have already."""
    return sum(
        len(stacks.of_type(stacks.resources(subject.cloud, stack.id), kind))
        for stack in subject.found.values()
        if stack
    )


def _quota(cloud: Cloud, service: str, code: str) -> Any:
    """The account's quota; AWS's default where the account was never given one of its own."""
    client = cloud.cached("service-quotas")
    try:
        return client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchResourceException":
            raise
    return client.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]


def _usage(cloud: Cloud, quota: Any) -> float:
    """What the account uses of a quota now, by CloudWatch, which has no value while nothing is used."""
    metric = quota.get("UsageMetric")
    if not metric:
        return 0.0
    statistic = metric.get("MetricStatisticRecommendation", "Maximum")
    now = datetime.now(UTC)
    answer: Any = cloud.cached("cloudwatch").get_metric_statistics(
        Namespace=metric["MetricNamespace"],
        MetricName=metric["MetricName"],
        Dimensions=[{"Name": name, "Value": value} for name, value in metric["MetricDimensions"].items()],
        StartTime=now - _USAGE_WINDOW,
        EndTime=now,
        Period=_USAGE_PERIOD,
        Statistics=[statistic],
    )
    latest = max(answer["Datapoints"], key=lambda point: point["Timestamp"], default=None)
    return float(latest[statistic]) if latest else 0.0


def _most_vcpus(found: Resolved) -> float:
    """On-demand vCPUs of a stack's services at most: as many tasks as scaling allows, and a deployment."""
    most = 0.0
    for service, properties in found.of_type("AWS::ECS::Service").items():
        targets = [
            target
            for target in found.of_type("AWS::ApplicationAutoScaling::ScalableTarget").values()
            if service in references(target)
        ]
        count = max([float(one["MaxCapacity"]) for one in targets] or [properties.get("DesiredCount", 1)])
        percent = float(properties.get("DeploymentConfiguration", {}).get("MaximumPercent", 200))
        on_demand = spread(count * percent / 100, capacity(properties)).get(_ON_DEMAND, 0.0)
        most += on_demand * _task_vcpus(found, properties)
    return most


def _task_vcpus(found: Resolved, service: Mapping[str, Any]) -> float:
    definitions = found.of_type("AWS::ECS::TaskDefinition")
    named = sorted(references(service.get("TaskDefinition")) & set(definitions))
    return float(definitions[named[0]]["Cpu"]) / 1024 if named else 0.0


def _running_vcpus(subject: Subject) -> float:
    """VCPUs of the environment's own tasks, taken for tasks of the templates' size."""
    running = sum(service.running for service in tasks.describe(subject.cloud, dict(subject.found)))
    sizes = [
        _task_vcpus(found, service)
        for found in subject.templates.values()
        for service in found.of_type("AWS::ECS::Service").values()
    ]
    return running * max(sizes, default=0.0)


def linked_roles(subject: Subject) -> Findings:
    """Whether the roles are there that services act with, and that their first use makes too late."""
    for kind, (role, service) in _LINKED.items():
        name = f"role: {role}"
        if not subject.count(kind):
            yield Finding(name, "not needed", f"{subject.cloud.environment.name} has no {kind}")
            continue
        try:
            subject.cloud.cached("iam").get_role(RoleName=role)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise
            yield Finding(
                name,
                "problem",
                "it is not there; the first use makes it, which may be too late for that use",
                f"aws iam create-service-linked-role --aws-service-name {service}",
            )
        else:
            yield Finding(name, "ok", "it is there")
