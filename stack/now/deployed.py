"""When an environment's services were deployed, and with which images, from ECS's own history.

ECS keeps it for 90 days, whoever deployed and from whatever machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


@dataclass(frozen=True)
class Deployment:
    """A deployment of a service: when it began and had ended (None: it runs), what it was to bring.

    `status` is ECS's word for it, SUCCESSFUL, ROLLBACK_SUCCESSFUL and others.
    """

    began: datetime
    ended: datetime | None
    status: str
    images: tuple[str, ...]

    @property
    def went_back(self) -> bool:
        """Whether it was rolled back, or is being so."""
        return self.status.startswith("ROLLBACK_")


def since(cloud: Cloud, services: list[Service], begin: datetime) -> list[Deployment]:
    """The deployments that ran at any time since then, the earliest first. Raises botocore's errors."""
    found = [
        one
        for service in services
        for one in _deployments(cloud, service)
        if one.get("finishedAt", begin) >= begin
    ]
    images = dict(_images(cloud, {one["targetServiceRevisionArn"]: None for one in found}))
    return sorted(
        (
            Deployment(
                one["createdAt"],
                one.get("finishedAt"),
                one["status"],
                tuple(images.get(one["targetServiceRevisionArn"], ())),
            )
            for one in found
        ),
        key=lambda one: one.began,
    )


def history(cloud: Cloud, services: list[Service]) -> list[Deployed]:
    """Images of the successful deployments of the services, the latest first. Raises botocore's errors.

    What was rolled back is not among them, though its image was pushed.
    """
    found = [one for service in services for one in _of_service(cloud, service)]
    return sorted(found, key=lambda one: one.finished, reverse=True)


def _of_service(cloud: Cloud, service: Service) -> Iterator[Deployed]:
    deployments = {
        one["targetServiceRevisionArn"]: one.get("finishedAt") or one["createdAt"]
        for one in sorted(
            _deployments(cloud, service, status=["SUCCESSFUL"]), key=lambda one: one["createdAt"]
        )
    }
    for arn, images in _images(cloud, deployments):
        for image in images:
            yield Deployed(image, deployments[arn])


def _images(cloud: Cloud, revisions: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Each of these service revisions, by ARN, with the images of its containers."""
    arns = list(revisions)
    for start in range(0, len(arns), _MOST_REVISIONS):
        some = arns[start : start + _MOST_REVISIONS]
        for revision in cloud.ecs.describe_service_revisions(serviceRevisionArns=some)["serviceRevisions"]:
            yield revision["serviceRevisionArn"], _images_of(cloud, revision)


def _images_of(cloud: Cloud, revision: ServiceRevisionTypeDef) -> list[str]:
    """What a revision's containers run; where ECS does not say it, what its task definition does."""
    known = [one["image"] for one in revision.get("containerImages", []) if "image" in one]
    if known or "taskDefinition" not in revision:
        return known
    # One that CloudFormation has replaced is inactive, and can be read on.
    answer = cloud.ecs.describe_task_definition(taskDefinition=revision["taskDefinition"])
    return [one["image"] for one in answer["taskDefinition"]["containerDefinitions"] if "image" in one]


def _deployments(cloud: Cloud, service: Service, **wanted: Any) -> Iterator[ServiceDeploymentBriefTypeDef]:
    """The pages of ListServiceDeployments, for which boto3 has no paginator."""
    while True:
        page = cloud.ecs.list_service_deployments(cluster=service.cluster, service=service.name, **wanted)
        yield from page["serviceDeployments"]
        if not page.get("nextToken"):
            return
        wanted["nextToken"] = page["nextToken"]
