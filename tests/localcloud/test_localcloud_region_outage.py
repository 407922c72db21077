"""A region that fails: its balancers, tasks and API; another region and Route 53 go on."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Cloud
from tests.ports import free_port

HOME, AWAY = "us-east-1", "us-west-2"
Until = Callable[..., None]


class Site:
    """A tiny service behind a load balancer of one region."""

    def __init__(self, cloud: Cloud, region: str, port: int) -> None:
        self.cloud, self.region, self.port = cloud, region, port
        ec2, elb, self.ecs = (self.client(service) for service in ("ec2", "elbv2", "ecs"))
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{region}{zone}"
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("ab")
        ]  # fmt: skip
        balancer = elb.create_load_balancer(Name="site", Subnets=subnets)["LoadBalancers"][0]
        self.address = str(balancer["DNSName"])
        group = elb.create_target_group(
            Name="site", Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="ip", HealthCheckPath="/"
        )["TargetGroups"][0]["TargetGroupArn"]
        elb.modify_target_group_attributes(
            TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "0"}]
        )
        elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )  # fmt: skip
        self.client("ecr").create_repository(repositoryName=f"site-{region}")
        digest = cloud.push(f"site-{region}", "1", VERSION=region)
        self.ecs.create_cluster(clusterName="site")
        self.ecs.register_task_definition(
            family="site", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[{
                "name": "web", "image": f"127.0.0.1:{cloud.port}/site-{region}@{digest}",
                "portMappings": [{"containerPort": 8080}],
            }],
        )  # fmt: skip
        self.ecs.create_service(
            cluster="site", serviceName="site", taskDefinition="site", desiredCount=1, launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}},
            loadBalancers=[{"targetGroupArn": group, "containerName": "web", "containerPort": 8080}],
        )  # fmt: skip

    def client(self, service: str) -> Any:
        return self.cloud.client(service, self.region)

    def get(self) -> str:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=30)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == 200 else str(answer.status)
        except (ConnectionError, http.client.HTTPException) as exc:
            return type(exc).__name__
        finally:
            connection.close()

    def tasks(self) -> list[str]:
        return list(self.ecs.list_tasks(cluster="site")["taskArns"])


@pytest.fixture
def cloud(own_cloud: Cloud) -> Iterator[Cloud]:
    own_cloud.run("up")
    with ExitStack() as ends:
        ends.callback(own_cloud.run, "region-outage", HOME, "--seconds", "0", check=False)
        yield own_cloud


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def checked(cloud: Cloud, site: Site) -> str:
    """A health check of a site."""
    made = cloud.client("route53").create_health_check(
        CallerReference=str(uuid.uuid4()),
        HealthCheckConfig={
            "Type": "HTTP", "IPAddress": site.address, "Port": site.port, "RequestInterval": 10,
            "FailureThreshold": 1,
        },
    )  # fmt: skip
    return str(made["HealthCheck"]["Id"])


def shared_name(cloud: Cloud, primary: Site, secondary: Site, check: str) -> Callable[[], list[str]]:
    """Makes a name that leads to one site, and to the other when its check fails; asks where it leads."""
    route53 = cloud.client("route53")
    zone = route53.create_hosted_zone(Name="site.test", CallerReference="1")["HostedZone"]["Id"]
    for site, role in ((primary, "PRIMARY"), (secondary, "SECONDARY")):
        own, alias = f"{site.region}.site.test", {"DNSName": site.address, "HostedZoneId": "Z35SXDOTRQ7X7K"}
        shared = {"DNSName": own, "HostedZoneId": zone.rpartition("/")[2]}
        watched = {"HealthCheckId": check} if role == "PRIMARY" else {}
        records = [
            {"Name": own, "Type": "A", "AliasTarget": {**alias, "EvaluateTargetHealth": False}},
            {"Name": "site.test", "Type": "A", "SetIdentifier": own, "Failover": role, **watched,
             "AliasTarget": {**shared, "EvaluateTargetHealth": True}},
            {"Name": "balancers.site.test", "Type": "A", "SetIdentifier": own, "Failover": role,
             "AliasTarget": {**alias, "EvaluateTargetHealth": True}},
        ]  # fmt: skip
        changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in records]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    def leads() -> list[str]:
        return [
            address
            for name in ("site.test", "balancers.site.test")
            for address in route53.test_dns_answer(HostedZoneId=zone, RecordName=name, RecordType="A")[
                "RecordData"
            ]
        ]

    return leads


def test_a_lost_region_and_its_return(cloud: Cloud, until: Until) -> None:
    port = free_port()
    home, away = Site(cloud, HOME, port), Site(cloud, AWAY, port)
    assert home.address != away.address, "both have the same port, and addresses of their own"
    until(lambda: (home.get(), away.get()) == (HOME, AWAY))
    check, route53 = checked(cloud, home), cloud.client("route53")

    def observed() -> str:
        found = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        return str(found[0]["StatusReport"]["Status"]) if found else ""

    until(lambda: observed().startswith("Success"))
    leads = shared_name(cloud, home, away, check)
    until(lambda: leads() == [home.address] * 2)
    (task,) = home.tasks()
    said = cloud.run("region-outage", HOME, "--seconds", "3600").stdout
    assert f"Region {HOME} is out for 3600 s; tasks killed: 1\n  {task.rpartition('/')[2]}" in said
    until(lambda: home.get() == "ConnectionRefusedError")
    assert away.get() == AWAY
    assert len(away.tasks()) == 1
    assert code(home.tasks) == "503"
    assert code(lambda: home.client("cloudformation").list_stacks()) == "503"
    assert code(lambda: home.client("dynamodb").list_tables()) == "InternalServerError"
    assert away.client("dynamodb").list_tables()["TableNames"] == []
    until(lambda: observed().startswith("Failure"))
    until(lambda: leads() == [away.address] * 2)
    told = json.loads(cloud.run("status", "--json").stdout)
    assert [row["region"] for row in told["region_outages"]] == [HOME]
    assert [row["region"] for row in told["tasks"]] == [AWAY], "nothing starts in a region that is out"
    assert HOME in cloud.run("status").stdout
    assert f"Region {HOME} is back" in cloud.run("region-outage", HOME, "--seconds", "0").stdout
    until(lambda: home.get() == HOME)
    assert home.tasks() != [task]
    until(lambda: leads() == [home.address] * 2)


def test_an_outage_ends_by_itself(cloud: Cloud, until: Until) -> None:
    dynamodb = cloud.client("dynamodb", AWAY)
    assert cloud.run("region-outage", AWAY, check=False).returncode == 2, "nothing is there"
    dynamodb.create_table(
        TableName="table", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )  # fmt: skip
    cloud.run("region-outage", AWAY, "--seconds", "2")
    cloud.client("dynamodb").list_tables()

    def back() -> bool:
        try:
            return bool(dynamodb.list_tables()["TableNames"] == ["table"])
        except ClientError:
            return False

    until(back)
    refused = cloud.run("region-outage", "mars-1", check=False)
    assert refused.returncode == 2
    assert "Nothing is in region mars-1. There is something in: " in refused.stderr
    assert AWAY in refused.stderr
