"""A stack whose service moves traffic: it waits for the deployment, and fails with its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cloud_harness import CPU, LocalCloud, until

from tests.localcloud.ecs.cloud_harness import SUBNET_A, SUBNET_B, VPC
from tests.localcloud.ecs.shifting_harness import asking


def _group(name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Properties": {
            "Name": name, "TargetType": "ip", "VpcId": VPC, "Protocol": "HTTP", "Port": 8080,
            "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2,
            "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
        },
    }  # fmt: skip


def _template(port: int, image: str) -> str:
    def ref(name: str) -> dict[str, str]:
        return {"Ref": name}

    breaker = {"Enable": True, "Rollback": True, "ThresholdConfiguration": {"Type": "COUNT", "Value": 1}}
    properties = {
        "Cluster": ref("Cluster"), "TaskDefinition": ref("Task"), "LaunchType": "FARGATE", "DesiredCount": 1,
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [SUBNET_A]}},
        "DeploymentConfiguration": {
            "Strategy": ref("Strategy"), "BakeTimeInMinutes": ref("Bake"),
            "DeploymentCircuitBreaker": breaker,
            "Alarms": {"AlarmNames": [ref("Alarm")], "Enable": True, "Rollback": True},
        },
        "LoadBalancers": [
            {
                "ContainerName": "web", "ContainerPort": "8080", "TargetGroupArn": ref("Blue"),
                "AdvancedConfiguration": {
                    "AlternateTargetGroupArn": ref("Green"), "ProductionListenerRule": ref("Rule"),
                    "RoleArn": "arn:aws:iam::000000000000:role/ecs",
                },
            }
        ],
    }  # fmt: skip
    weights = [{"TargetGroupArn": ref("Blue"), "Weight": 100}, {"TargetGroupArn": ref("Green"), "Weight": 0}]
    environment = {"VERSION": ref("Version"), "MODE": ref("Mode")}
    return json.dumps(
        {
            "Parameters": {
                "Version": {"Type": "String"}, "Strategy": {"Type": "String", "Default": "BLUE_GREEN"},
                "Bake": {"Type": "Number", "Default": 2}, "Mode": {"Type": "String", "Default": "good"},
            },
            "Resources": {
                "Balancer": {
                    "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
                    "Properties": {"Name": "lb", "Subnets": [SUBNET_A, SUBNET_B]},
                },
                "Blue": _group("blue"), "Green": _group("green"),
                "Listener": {
                    "Type": "AWS::ElasticLoadBalancingV2::Listener",
                    "Properties": {
                        "LoadBalancerArn": ref("Balancer"), "Port": port, "Protocol": "HTTP",
                        "DefaultActions": [
                            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
                        ],
                    },
                },
                "Rule": {
                    "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
                    "Properties": {
                        "ListenerArn": ref("Listener"), "Priority": 1,
                        "Conditions": [{"Field": "path-pattern", "Values": ["/*"]}],
                        "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}],
                    },
                },
                "Alarm": {
                    "Type": "AWS::CloudWatch::Alarm",
                    "Properties": {
                        "AlarmName": "errors", "Namespace": "n", "MetricName": "m", "Statistic": "Sum",
                        "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
                        "ComparisonOperator": "GreaterThanThreshold",
                    },
                },
                "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "c"}},
                "Task": {
                    "Type": "AWS::ECS::TaskDefinition",
                    "Properties": {
                        "RequiresCompatibilities": ["FARGATE"], "NetworkMode": "awsvpc", "Cpu": "256",
                        "Memory": "512", "RuntimePlatform": {"CpuArchitecture": CPU},
                        "Volumes": [{"Name": "scratch"}],
                        "ContainerDefinitions": [
                            {
                                "Name": "web", "Image": image, "PortMappings": [{"ContainerPort": 8080}],
                                "Environment": [{"Name": k, "Value": v} for k, v in environment.items()],
                                "MountPoints": [{"SourceVolume": "scratch", "ContainerPath": "/data"}],
                            }
                        ],
                    },
                },
                "Service": {
                    "Type": "AWS::ECS::Service", "DependsOn": ["Rule"],
                    "Properties": {**properties, "ServiceName": "s"},
                },
            },
        }
    )  # fmt: skip


class Stack:
    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud, self.cfn = cloud, cloud.client("cloudformation")
        self.template = _template(cloud.http, cloud.push())

    def begin(self, kind: str, **parameters: Any) -> None:
        given = [{"ParameterKey": k, "ParameterValue": str(v)} for k, v in parameters.items()]
        call = self.cfn.create_stack if kind == "CREATE" else self.cfn.update_stack
        call(StackName="s", TemplateBody=self.template, Parameters=given)

    def status(self) -> str:
        return str(self.cfn.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"])

    def end(self) -> str:
        found: str = until(lambda: not (s := self.status()).endswith("_IN_PROGRESS") and s, 60)
        return found

    def why(self) -> str:
        events = self.cfn.describe_stack_events(StackName="s")["StackEvents"]
        return " ".join(
            e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"].endswith("_FAILED")
        )

    def weights(self) -> list[int]:
        elb = self.cloud.client("elbv2")
        lb = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        listener = elb.describe_listeners(LoadBalancerArn=lb)["Listeners"][0]["ListenerArn"]
        rule = next(r for r in elb.describe_rules(ListenerArn=listener)["Rules"] if not r["IsDefault"])
        return [group["Weight"] for group in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, cloud: LocalCloud) -> Stack:
    cloud.down()
    monkeypatch.setenv("LOCAL_SPEED", "60")
    cloud.up()
    return Stack(cloud)


def test_a_stack_waits_for_the_traffic_and_the_bake_time(stack: Stack) -> None:
    cloud = stack.cloud
    stack.begin("CREATE", Version="one", Bake=600)
    assert stack.end() == "CREATE_COMPLETE", stack.why()
    assert cloud.get("/") == (200, b"one")
    with asking(cloud) as answers:
        stack.begin("UPDATE", Version="two", Bake=5)
        until(lambda: stack.weights() == [0, 100])
        assert stack.status() == "UPDATE_IN_PROGRESS"
        assert len(cloud.tasks()) == 2, "both versions, for the bake time"
        assert stack.end() == "UPDATE_COMPLETE", stack.why()
        assert cloud.get("/") == (200, b"two")
        # What the rule says by now is no part of the template; an update leaves it alone.
        stack.begin("UPDATE", Version="two", Strategy="ROLLING", Bake=0)
        assert stack.end() == "UPDATE_COMPLETE", stack.why()
        assert stack.weights() == [0, 100]
        stack.begin("UPDATE", Version="three", Strategy="ROLLING", Bake=0)
        assert stack.end() == "UPDATE_COMPLETE", stack.why()
    assert {status for status, _ in answers} == {200}
    assert cloud.get("/") == (200, b"three")
    stack.cfn.delete_stack(StackName="s")
    until(lambda: cloud.processes() == [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Version": "two", "Bake": 600}, "ECS deployment failed: alarm detected (errors)"),
        ({"Version": "two", "Mode": "exits"}, "ECS Deployment Circuit Breaker was triggered"),
    ],
)
def test_a_deployment_that_fails_rolls_the_stack_back(
    stack: Stack, change: dict[str, Any], words: str
) -> None:
    cloud = stack.cloud
    stack.begin("CREATE", Version="one")
    assert stack.end() == "CREATE_COMPLETE", stack.why()
    with asking(cloud) as answers:
        stack.begin("UPDATE", **change)
        if "alarm" in words:
            until(lambda: stack.weights() == [0, 100])
            cloud.client("cloudwatch").set_alarm_state(
                AlarmName="errors", StateValue="ALARM", StateReason="-"
            )
        assert stack.end() == "UPDATE_ROLLBACK_COMPLETE"
    assert words in stack.why()
    assert {status for status, _ in answers} == {200}
    assert stack.weights() == [100, 0]
    assert cloud.get("/") == (200, b"one")
    assert cloud.stable(1)["deploymentConfiguration"]["bakeTimeInMinutes"] == 2


def test_a_first_deployment_that_fails_leaves_no_service(stack: Stack) -> None:
    stack.begin("CREATE", Version="one", Mode="exits")
    assert stack.end() == "ROLLBACK_COMPLETE"
    assert "ECS Deployment Circuit Breaker was triggered" in stack.why()
    assert stack.cloud.processes() == []
