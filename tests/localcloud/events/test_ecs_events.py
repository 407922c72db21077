"""What ECS tells EventBridge, and tasks that rules run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Cloud
from tests.localcloud.ecs.cloud_harness import SUBNET_A
from tests.localcloud.events.conftest import Queue

Until = Callable[..., None]
ROLE = "arn:aws:iam::000000000000:role/events"
NETWORK = {"subnets": [SUBNET_A], "securityGroups": [], "assignPublicIp": "DISABLED"}


class Ecs:
    """A cluster and a task definition of the little service."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud, self.name, self.client = cloud, name, cloud.client("ecs")
        self.cluster = self.client.create_cluster(clusterName=name)["cluster"]["clusterArn"]
        repository = cloud.client("ecr").create_repository(repositoryName=name)["repository"]
        self.image = f"{repository['repositoryUri']}@{cloud.push(name, 'one', VERSION='one')}"
        cloud.client("logs").create_log_group(logGroupName=f"/{name}")

    def definition(self, **environment: str) -> str:
        log = {"awslogs-group": f"/{self.name}", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "t"}
        arn: str = self.client.register_task_definition(
            family=self.name, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256",
            memory="512",
            containerDefinitions=[{
                "name": "web", "image": self.image, "stopTimeout": 2,
                "portMappings": [{"containerPort": 8080}],
                "environment": [{"name": key, "value": value} for key, value in environment.items()],
                "logConfiguration": {"logDriver": "awslogs", "options": log},
            }],
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
        return arn

    def listen(self, queue: Queue, kind: str, **detail: Any) -> Callable[[], list[dict[str, Any]]]:
        """Send events of a detail type in this cluster to a queue; what they say."""
        events, name = self.cloud.client("events"), f"{self.name}-{kind.split()[1].lower()}"
        pattern = {"source": ["aws.ecs"], "detail-type": [kind],
                   "detail": {"clusterArn": [self.cluster], **detail}}  # fmt: skip
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": queue.arn}])
        return queue.documents

    def target(self, definition: str, **more: Any) -> dict[str, Any]:
        parameters = {"TaskDefinitionArn": definition, "LaunchType": "FARGATE",
                      "NetworkConfiguration": {"awsvpcConfiguration": {
                          "Subnets": [SUBNET_A], "AssignPublicIp": "DISABLED"}}}  # fmt: skip
        return {"Id": "1", "Arn": self.cluster, "RoleArn": ROLE, "EcsParameters": parameters, **more}


def test_a_task_tells_its_life_to_its_exit_code(quick_cloud: Cloud, queue: Any, until: Until) -> None:
    ecs = Ecs(quick_cloud, "life")
    told = ecs.listen(queue("life"), "ECS Task State Change")
    task = ecs.client.run_task(
        cluster="life", taskDefinition=ecs.definition(BREAK="1"), launchType="FARGATE", startedBy="me",
        networkConfiguration={"awsvpcConfiguration": NETWORK},
    )["tasks"][0]["taskArn"]  # fmt: skip
    until(lambda: any(event["detail"]["lastStatus"] == "STOPPED" for event in told()))
    details = [event["detail"] for event in sorted(told(), key=lambda event: event["detail"]["version"])]
    statuses = list(dict.fromkeys(detail["lastStatus"] for detail in details))
    assert statuses[:2] == ["PROVISIONING", "PENDING"]
    assert statuses[-3:] == ["DEACTIVATING", "STOPPING", "STOPPED"]
    last = details[-1]
    assert (last["taskArn"], last["clusterArn"], last["startedBy"]) == (task, ecs.cluster, "me")
    assert (last["stopCode"], last["stoppedReason"]) == (
        "EssentialContainerExited", "Essential container in task exited"
    )  # fmt: skip
    assert (last["containers"][0]["name"], last["containers"][0]["exitCode"]) == ("web", 1)
    assert (last["group"], last["desiredStatus"], last["attachments"][0]["type"]) == (
        "family:life", "STOPPED", "eni"
    )  # fmt: skip
    assert not [key for key in last if key.startswith("_")]
    event = told()[0]
    assert (event["resources"], event["region"], event["account"]) == ([task], "us-east-1", "000000000000")


def test_deployments_and_services_tell_how_they_fare(quick_cloud: Cloud, queue: Any, until: Until) -> None:
    ecs = Ecs(quick_cloud, "fares")
    told = ecs.listen(queue("fares-deployments"), "ECS Deployment State Change")
    acted = ecs.listen(queue("fares-actions"), "ECS Service Action")
    ecs.client.create_service(
        cluster="fares", serviceName="s", taskDefinition=ecs.definition(), desiredCount=1,
        launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": NETWORK},
        deploymentConfiguration={"deploymentCircuitBreaker": {
            "enable": True, "rollback": True, "thresholdConfiguration": {"type": "COUNT", "value": 3}}},
    )  # fmt: skip

    def names() -> list[str]:
        return [event["detail"]["eventName"] for event in told()]

    until(lambda: "SERVICE_DEPLOYMENT_COMPLETED" in names())
    assert names() == ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED"]
    ecs.client.update_service(cluster="fares", service="s", taskDefinition=ecs.definition(BREAK="1"))
    until(lambda: len(names()) >= 6)
    assert names()[2:] == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_FAILED", "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
    ]  # fmt: skip
    failed, back = told()[3], told()[4]
    assert (failed["detail"]["eventType"], failed["detail"]["reason"]) == (
        "ERROR", "ECS deployment circuit breaker: tasks failed to start."
    )  # fmt: skip
    assert failed["detail"]["deploymentId"] == told()[2]["detail"]["deploymentId"]
    assert back["detail"]["deploymentId"] == told()[0]["detail"]["deploymentId"]
    assert failed["resources"] == [f"{ecs.cluster.replace(':cluster/', ':service/')}/s"]
    kinds = {event["detail"]["eventName"]: event["detail"]["eventType"] for event in acted()}
    assert kinds["SERVICE_STEADY_STATE"] == "INFO"
    assert kinds["SERVICE_TASK_START_IMPAIRED"] == "WARN"
    (service,) = ecs.client.describe_services(cluster="fares", services=["s"])["services"]
    said = [event["message"] for event in service["events"]]
    assert "(service s) is unable to consistently start tasks successfully." in said
    ecs.client.delete_service(cluster="fares", service="s", force=True)


def test_scaling_tells_of_the_new_count_and_a_user_does_not(
    quick_cloud: Cloud, queue: Any, until: Until
) -> None:
    ecs, scaling = Ecs(quick_cloud, "scaled"), quick_cloud.client("application-autoscaling")
    acted = ecs.listen(queue("scaled"), "ECS Service Action")
    target = {
        "ServiceNamespace": "ecs", "ResourceId": "service/scaled/s",
        "ScalableDimension": "ecs:service:DesiredCount",
    }  # fmt: skip
    ecs.client.create_service(
        cluster="scaled", serviceName="s", taskDefinition=ecs.definition(), desiredCount=0,
        launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": NETWORK},
    )  # fmt: skip

    def names() -> list[str]:
        return [event["detail"]["eventName"] for event in acted()]

    until(lambda: names() == ["SERVICE_STEADY_STATE"])
    ecs.client.update_service(cluster="scaled", service="s", desiredCount=1)
    until(lambda: names() == ["SERVICE_STEADY_STATE"] * 2)
    scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=0)
    until(lambda: len(names()) == 5)
    assert sorted(names()[2:]) == ["SERVICE_DESIRED_COUNT_UPDATED", "SERVICE_STEADY_STATE", "TASKS_STOPPED"]
    scaling.deregister_scalable_target(**target)
    ecs.client.delete_service(cluster="scaled", service="s", force=True)


def test_a_schedule_runs_tasks_with_overrides_beside_the_service(
    quick_cloud: Cloud, queue: Any, until: Until
) -> None:
    ecs = Ecs(quick_cloud, "probe")
    definition = ecs.definition()
    ecs.client.create_service(
        cluster="probe", serviceName="s", taskDefinition=definition, desiredCount=1, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": NETWORK},
    )  # fmt: skip
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [{
            "Namespace": "Probe", "Dimensions": [["Of"]], "Metrics": [{"Name": "Runs", "Unit": "Count"}]}]},
        "Of": "rule", "Runs": 1,
    }  # fmt: skip
    variables = [{"name": "BREAK", "value": "1"}, {"name": "SAYS", "value": json.dumps(line)}]
    overrides = {"containerOverrides": [{"name": "web", "environment": variables}]}
    told = ecs.listen(queue("probe"), "ECS Task State Change", lastStatus=["STOPPED"])
    events = quick_cloud.client("events")
    events.put_rule(Name="probe", ScheduleExpression="rate(1 minute)")
    # Without a revision, the latest is meant.
    target = ecs.target(definition.rpartition(":")[0], Input=json.dumps(overrides))
    events.put_targets(Rule="probe", Targets=[target])
    until(lambda: len(told()) >= 2)
    events.disable_rule(Name="probe")
    detail = told()[0]["detail"]
    assert (detail["startedBy"], detail["group"]) == ("events-rule/probe", "family:probe")
    assert (detail["containers"][0]["exitCode"], detail["taskDefinitionArn"]) == (1, definition)
    lines = quick_cloud.client("logs").filter_log_events(logGroupName="/probe")["events"]
    assert json.loads(lines[-1]["message"]) == line
    found = quick_cloud.client("cloudwatch").list_metrics(Namespace="Probe")["Metrics"]
    assert [metric["MetricName"] for metric in found] == ["Runs"]

    service = ecs.client.describe_services(cluster="probe", services=["s"])["services"][0]
    assert (service["desiredCount"], service["deployments"][0]["failedTasks"]) == (1, 0)
    until(lambda: _running(ecs.client) == 1)
    mine = ecs.client.list_tasks(cluster="probe", serviceName="s")["taskArns"]
    assert detail["taskArn"] not in mine
    ecs.client.delete_service(cluster="probe", service="s", force=True)


def _running(ecs: Any) -> int:
    return int(ecs.describe_services(cluster="probe", services=["s"])["services"][0]["runningCount"])


def test_a_stack_has_rules_that_change_and_go(quick_cloud: Cloud, until: Until) -> None:
    ecs, events = Ecs(quick_cloud, "ruled"), quick_cloud.client("events")

    def template(schedule: str, name: str = "ruled-schedule") -> dict[str, Any]:
        network = {"AwsVpcConfiguration": {"Subnets": [SUBNET_A], "AssignPublicIp": "DISABLED"}}
        parameters = {"TaskDefinitionArn": ecs.definition(BREAK="1"), "TaskCount": "1",
                      "LaunchType": "FARGATE", "NetworkConfiguration": network}  # fmt: skip
        target = {"Id": "run", "Arn": ecs.cluster, "RoleArn": ROLE, "EcsParameters": parameters}
        tell = {"Id": "tell", "Arn": {"Ref": "Topic"}, "InputTransformer": {
            "InputPathsMap": {"why": "$.detail.stoppedReason"},
            "InputTemplate": '"stopped: <why>"',
        }}  # fmt: skip
        pattern = {"source": ["aws.ecs"], "detail": {"clusterArn": [ecs.cluster]}}
        return {
            "Resources": {
                "Topic": {"Type": "AWS::SNS::Topic"},
                "Run": {"Type": "AWS::Events::Rule", "Properties": {
                    "Name": name, "ScheduleExpression": schedule, "Targets": [target]}},
                "Tell": {"Type": "AWS::Events::Rule", "Properties": {
                    "EventPattern": pattern, "State": "ENABLED", "Targets": [tell]}},
            },
            "Outputs": {"Tell": {"Value": {"Fn::GetAtt": ["Tell", "Arn"]}}},
        }  # fmt: skip

    stack = quick_cloud.deploy("ruled", template("rate(1 minute)"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", quick_cloud.failures("ruled")
    told = stack["Outputs"][0]["OutputValue"].rpartition("/")[2]
    assert json.loads(events.describe_rule(Name=told)["EventPattern"])["source"] == ["aws.ecs"]

    def stopped() -> list[str]:
        arns: list[str] = ecs.client.list_tasks(cluster="ruled", desiredStatus="STOPPED")["taskArns"]
        return arns

    until(stopped)
    (target,) = events.list_targets_by_rule(Rule="ruled-schedule")["Targets"]
    assert "awsvpcConfiguration" in target["EcsParameters"]["NetworkConfiguration"]
    change = quick_cloud.change_set("ruled", template("rate(2 hours)"), "UPDATE")
    (changed,) = change["Changes"]
    assert changed["ResourceChange"]["Replacement"] == "False"
    assert quick_cloud.execute(change)["StackStatus"] == "UPDATE_COMPLETE"
    assert events.describe_rule(Name="ruled-schedule")["ScheduleExpression"] == "rate(2 hours)"
    assert quick_cloud.deploy("ruled", template("rate(2 hours)", "renamed"), "UPDATE")["StackStatus"] == (
        "UPDATE_COMPLETE"
    )
    with pytest.raises(ClientError, match="ruled-schedule"):
        events.describe_rule(Name="ruled-schedule")
    quick_cloud.delete("ruled")
    with pytest.raises(ClientError, match="renamed"):
        events.describe_rule(Name="renamed")


def test_a_template_with_a_wrong_rule_fails_with_the_reason(quick_cloud: Cloud) -> None:
    lambda_ = {"Id": "1", "Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}
    for properties, words in (
        ({"ScheduleExpression": "rate(5 minute)"}, "ScheduleExpression is not valid"),
        ({"EventPattern": {"source": [{"prefix": 1}]}}, "pattern is not valid"),
        ({"EventPattern": {"source": ["x"]}, "Targets": [lambda_]}, "cannot reach arn:aws:lambda"),
    ):  # fmt: skip
        body = {
            "Resources": {"Rule": {"Type": "AWS::Events::Rule", "Properties": {**properties, "Name": "no"}}}
        }
        assert quick_cloud.deploy("wrong-rule", body)["StackStatus"] == "ROLLBACK_COMPLETE"
        assert any(words in reason for _, _, reason in quick_cloud.failures("wrong-rule"))
        quick_cloud.delete("wrong-rule")
    assert quick_cloud.client("events").list_rules(NamePrefix="no")["Rules"] == []


def test_a_task_cannot_pass_itself_off_as_a_service_s(quick_cloud: Cloud) -> None:
    ecs = Ecs(quick_cloud, "grouped")
    with pytest.raises(ClientError, match="Invalid namespace for group"):
        ecs.client.run_task(
            cluster="grouped", taskDefinition=ecs.definition(), launchType="FARGATE", group="service:s",
            networkConfiguration={"awsvpcConfiguration": NETWORK},
        )  # fmt: skip
