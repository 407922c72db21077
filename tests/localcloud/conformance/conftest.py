"""AWS's documented behaviour, over boto3, on the local cloud or on a real account.

`pytest tests/localcloud/conformance` runs it on a local cloud of its own. `CONFORMANCE_ENDPOINT=aws` runs the
same cases on the account and region that boto3 finds, and names them before it begins; every case makes its
own resources under names that begin with `conformance-`, and deletes them, and at the end it is an error when
one is left. A case that costs money or takes long there has `costly_on_aws("why")`. A case that the local
cloud is known to fail has `differs_locally("how")`, and has to fail until that is mended.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.localcloud.ecs.cloud_harness import LocalCloud, until

AWS = "aws"
#: The states of stacks that are there.
LIVE = [state for state in botocore.session.get_session().get_service_model("cloudformation").shape_for(
    "StackStatus").enum if state != "DELETE_COMPLETE"]  # fmt: skip
#: A task definition that Fargate takes; its image is never pulled where no task runs.
FARGATE = {"networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}
CONTAINER = {"name": "web", "image": "public.ecr.aws/docker/library/busybox:stable", "essential": True}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "costly_on_aws(reason): not run on a real account, and why")
    config.addinivalue_line("markers", "differs_locally(how): the local cloud is known to fail this, and how")
    if chosen() not in ("", AWS):
        raise pytest.UsageError(
            f"CONFORMANCE_ENDPOINT={chosen()!r}: leave it out for the local cloud, or say {AWS}"
        )


def chosen() -> str:
    return os.environ.get("CONFORMANCE_ENDPOINT", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each skip names its case and its reason, so that `-ra` (always on) lists all of them."""
    for item in items:
        costly, differs = item.get_closest_marker("costly_on_aws"), item.get_closest_marker("differs_locally")
        if costly and chosen() == AWS:
            item.add_marker(pytest.mark.skip(reason=f"{item.name}: {costly.args[0]}"))
        if differs and chosen() != AWS:
            item.add_marker(pytest.mark.xfail(strict=True, reason=f"{item.name}: {differs.args[0]}"))


class Account:
    """Where the cases run."""

    def __init__(self, local: LocalCloud | None) -> None:
        self._local = local
        #: How long a change may take to be seen everywhere.
        self.patience = 60.0 if local else 600.0

    @property
    def local(self) -> LocalCloud:
        """The local cloud, for cases that are never run on AWS."""
        assert self._local is not None, "this case needs costly_on_aws"
        return self._local

    def client(self, service: str, region: str | None = None) -> Any:
        if self._local:
            return self._local.client(service, region or "us-east-1")
        return boto3.client(service, region_name=region)

    def until(self, condition: Callable[[], Any]) -> Any:
        return until(condition, self.patience)

    def change_set(self, stack: str, template: dict[str, Any], kind: str = "CREATE", **options: Any) -> Any:
        """Make a change set, wait until it is made or failed, and describe it with values."""
        cloudformation = self.client("cloudformation")
        made = cloudformation.create_change_set(
            StackName=stack, ChangeSetName=f"c{uuid.uuid4().hex}", ChangeSetType=kind,
            TemplateBody=json.dumps(template), **options,
        )["Id"]  # fmt: skip

        def finished() -> Any:
            found = cloudformation.describe_change_set(ChangeSetName=made, IncludePropertyValues=True)
            return found if found["Status"] in ("CREATE_COMPLETE", "FAILED") else None

        return self.until(finished)

    def deploy(self, stack: str, template: dict[str, Any], kind: str = "CREATE") -> dict[str, Any]:
        """Execute a change set; the stack at rest."""
        change_set = self.change_set(stack, template, kind)
        assert change_set["Status"] == "CREATE_COMPLETE", change_set["StatusReason"]
        cloudformation = self.client("cloudformation")
        cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])

        def at_rest() -> Any:
            found = cloudformation.describe_stacks(StackName=change_set["StackId"])["Stacks"][0]
            busy = found["StackStatus"].endswith("_IN_PROGRESS")
            return None if busy else found

        found: dict[str, Any] = self.until(at_rest)
        return found

    def delete_stack(self, stack: str) -> None:
        cloudformation = self.client("cloudformation")
        cloudformation.delete_stack(StackName=stack)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": int(self.patience)}
        )


def pytest_report_header() -> str | None:
    """Whose account it will be; without one nothing is run."""
    if chosen() != AWS:
        return None
    try:
        identity = boto3.client("sts").get_caller_identity()
        where = boto3.client("ecs").meta.region_name
    except (BotoCoreError, ClientError) as exc:
        raise pytest.UsageError(
            f"CONFORMANCE_ENDPOINT={AWS}: {str(exc).rstrip('.')}. "
            "Set AWS_PROFILE or credentials, and AWS_REGION."
        ) from exc
    return f"conformance: account {identity['Account']}, region {where}, as {identity['Arn']}"


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    if chosen() == AWS:
        found = Account(None)
        yield found
        nothing_left(found)
        return
    cloud = LocalCloud(tmp_path_factory.mktemp("conformance") / "state")
    cloud.up()
    found = Account(cloud)
    yield found
    nothing_left(found)
    cloud.end()


#: What all names of this run begin with: other runs, and other processes of this one, have their own.
RUN = f"conformance-{uuid.uuid4().hex[:4]}"


def new_name() -> str:
    """A name that no other case uses, short enough for a target group."""
    return f"{RUN}{uuid.uuid4().hex[:8]}"


def nothing_left(account: Account) -> None:
    """Fail, by name, for what a case made and did not delete."""
    listed = (
        ("cloudformation", "list_stacks", {"StackStatusFilter": LIVE}, "StackSummaries[].StackName"),
        ("ecs", "list_clusters", {}, "clusterArns[]"),
        ("ecs", "list_task_definitions", {"status": "ACTIVE"}, "taskDefinitionArns[]"),
        ("elbv2", "describe_load_balancers", {}, "LoadBalancers[].LoadBalancerName"),
        ("elbv2", "describe_target_groups", {}, "TargetGroups[].TargetGroupName"),
        ("cloudwatch", "describe_alarms", {"AlarmNamePrefix": RUN}, "MetricAlarms[].AlarmName"),
        ("dynamodb", "list_tables", {}, "TableNames[]"),
        ("logs", "describe_log_groups", {"logGroupNamePrefix": RUN}, "logGroups[].logGroupName"),
        ("route53", "list_hosted_zones", {}, "HostedZones[].Name"),
        ("route53", "list_health_checks", {}, "HealthChecks[].CallerReference"),
    )
    left = [
        f"{service} {name}"
        for service, action, request, names in listed
        for name in account.client(service).get_paginator(action).paginate(**request).search(names)
        if RUN in (name or "")
    ]
    waf = account.client("wafv2")
    left += [
        f"wafv2 {each['Name']}"
        for found in (
            waf.list_web_acls(Scope="REGIONAL")["WebACLs"],
            waf.list_ip_sets(Scope="REGIONAL")["IPSets"],
        )
        for each in found
        if RUN in each["Name"]
    ]
    assert not left, f"left behind: {', '.join(left)}"


@pytest.fixture
def name() -> str:
    return new_name()


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    """`cleanup.callback(function, ...)` for what a case makes; called in reverse order whatever happened."""
    with ExitStack() as stack:
        yield stack


def delete(function: Callable[..., Any], **which: Any) -> None:
    """Call a deletion for what may be gone already."""
    try:
        function(**which)
    except ClientError as exc:
        if not any(part in exc.response["Error"]["Code"] for part in ("NotFound", "Nonexistent", "NoSuch")):
            raise


@pytest.fixture
def network(account: Account, cleanup: ExitStack) -> tuple[str, list[str]]:
    """A VPC with a subnet in each of two zones."""
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.90.0.0/16")["Vpc"]["VpcId"]
    cleanup.callback(ec2.delete_vpc, VpcId=vpc)
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    subnets = []
    for number, zone in enumerate(zones):
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.90.{number}.0/24", AvailabilityZone=zone)
        subnets.append(made["Subnet"]["SubnetId"])
        cleanup.callback(ec2.delete_subnet, SubnetId=subnets[-1])
    return vpc, subnets


@pytest.fixture
def group(account: Account, name: str, network: tuple[str, list[str]], cleanup: ExitStack) -> str:
    elb = account.client("elbv2")
    arn: str = elb.create_target_group(
        Name=name, Protocol="HTTP", Port=8080, VpcId=network[0], TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    cleanup.callback(delete, elb.delete_target_group, TargetGroupArn=arn)
    return arn


@pytest.fixture
def cluster(account: Account, name: str, cleanup: ExitStack) -> str:
    ecs = account.client("ecs")
    ecs.create_cluster(clusterName=name)
    cleanup.callback(delete, ecs.delete_cluster, cluster=name)
    return name


def register(account: Account, cleanup: ExitStack, family: str, **members: Any) -> dict[str, Any]:
    ecs = account.client("ecs")
    found: dict[str, Any] = ecs.register_task_definition(
        **{"family": family, "containerDefinitions": [CONTAINER], **FARGATE, **members}
    )["taskDefinition"]
    cleanup.callback(ecs.deregister_task_definition, taskDefinition=found["taskDefinitionArn"])
    return found


@pytest.fixture
def service(account: Account, cluster: str, network: tuple[str, list[str]], cleanup: ExitStack) -> str:
    """A service of no tasks."""
    ecs = account.client("ecs")
    definition = register(account, cleanup, cluster)["taskDefinitionArn"]
    ecs.create_service(
        cluster=cluster, serviceName=cluster, taskDefinition=definition, desiredCount=0, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": network[1]}},
    )  # fmt: skip
    cleanup.callback(gone, account, cluster)
    return cluster


def gone(account: Account, name: str) -> None:
    """Delete a service, and wait: its cluster and its network can be deleted only then."""
    ecs = account.client("ecs")
    delete(ecs.delete_service, cluster=name, service=name, force=True)

    def left() -> Any:
        clusters = ecs.describe_clusters(clusters=[name])["clusters"]
        there = any(each["status"] == "ACTIVE" for each in clusters)
        found = ecs.describe_services(cluster=name, services=[name])["services"] if there else []
        return [each for each in found if each["status"] != "INACTIVE"]

    account.until(lambda: not left())
