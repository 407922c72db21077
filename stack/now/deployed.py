"""Which images an environment's services were deployed with, from ECS's own history of their deployments.

ECS keeps it for 90 days, whoever deployed and from whatever machine. A deployment that was rolled back is not
one of them, though its image was pushed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stack.aws.clients import Cloud
from stack.now.tasks import Service

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceDeploymentBriefTypeDef, ServiceRevisionTypeDef

# DescribeServiceRevisions takes so many at a time.
_MOST_REVISIONS = 20


@dataclass(frozen=True)
class Deployed:
    """An image that a service's deployment brought, and when that had succeeded."""

    image: str
    finished: datetime


def history(cloud: Cloud, services: list[Service]) -> list[Deployed]:
    """Images of the successful deployments of the services, the latest first. Raises botocore's errors."""
    found = [one for service in services for one in _of_service(cloud, service)]
    return sorted(found, key=lambda one: one.finished, reverse=True)


def _of_service(cloud: Cloud, service: Service) -> Iterator[Deployed]:
    deployments = {
        one["targetServiceRevisionArn"]: one.get("finishedAt") or one["createdAt"]
        for one in sorted(_deployments(cloud, service), key=lambda one: one["createdAt"])
    }
    arns = list(deployments)
    for start in range(0, len(arns), _MOST_REVISIONS):
        some = arns[start : start + _MOST_REVISIONS]
        for revision in cloud.ecs.describe_service_revisions(serviceRevisionArns=some)["serviceRevisions"]:
            for image in _images(cloud, revision):
                yield Deployed(image, deployments[revision["serviceRevisionArn"]])


def _images(cloud: Cloud, revision: ServiceRevisionTypeDef) -> list[str]:
    """What a revision's containers run; where ECS does not say it, what its task definition does."""
    known = [one["image"] for one in revision.get("containerImages", []) if "image" in one]
    if known or "taskDefinition" not in revision:
        return known
    # One that CloudFormation has replaced is inactive, and can be read on.
    answer = cloud.ecs.describe_task_definition(taskDefinition=revision["taskDefinition"])
    return [one["image"] for one in answer["taskDefinition"]["containerDefinitions"] if "image" in one]


def _deployments(cloud: Cloud, service: Service) -> Iterator[ServiceDeploymentBriefTypeDef]:
    """The pages of ListServiceDeployments, for which boto3 has no paginator."""
    more: Any = {}
    while True:
        page = cloud.ecs.list_service_deployments(
            cluster=service.cluster, service=service.name, status=["SUCCESSFUL"], **more
        )
        yield from page["serviceDeployments"]
        if not page.get("nextToken"):
            return
        more = {"nextToken": page["nextToken"]}
