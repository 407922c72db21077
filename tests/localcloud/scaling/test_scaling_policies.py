"""Policies act on their alarms: over the API, with tasks that come and go."""

from __future__ import annotations

import json
import threading
import time

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.ecs.cloud_harness import until
from tests.localcloud.scaling.conftest import RESOURCE, Scaled

STEPS = [
    {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 2},
]


def test_steps_scale_by_the_breach_and_count_what_a_cooldown_holds(scaled: Scaled) -> None:
    scaled.begin(1, most=4)
    scaled.step_policy("more", STEPS)
    scaled.step_policy("fewer", [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -9}], above=False)

    scaled.alarm("more", 55)
    scaled.becomes(2)
    scaled.cloud.stable(2)
    newest = scaled.activities()[0]
    assert newest["Cause"] == "monitor alarm more in state ALARM triggered policy more"
    assert newest["Description"] == "Setting desired count to 2."
    until(lambda: scaled.activities()[0]["StatusCode"] == "Successful")
    assert scaled.activities()[0]["StatusMessage"].endswith("Change successfully fulfilled by ecs.")

    # The task that came counts as one of the two that the larger breach asks for.
    scaled.alarm("more", 65, state="OK")
    scaled.alarm("more", 65)
    scaled.becomes(3)
    scaled.cloud.stable(3)
    assert scaled.desired() == 3

    # Scaling in waits for nobody, ends at the minimum, and loses no request.
    failed: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            failed.extend(status for status in [scaled.cloud.get("/")[0]] if status != 200)
            time.sleep(0.01)

    asking = threading.Thread(target=ask)
    asking.start()
    scaled.alarm("more", 0, state="OK")
    scaled.alarm("fewer", 40)
    scaled.cloud.stable(1)
    done.set()
    asking.join()
    assert failed == []

    def told() -> list[dict[str, object]]:
        found = [a.get("NotScaledReasons") for a in scaled.activities(everything=True)]
        return found[0] or []

    # The alarm lasts, and its action repeats each minute: told once.
    until(lambda: told() == [{"Code": "AlreadyAtMinCapacity", "MinCapacity": 1}])
    everything = scaled.activities(everything=True)
    assert sum("NotScaledReasons" in activity for activity in everything) == 1
    assert not any("NotScaledReasons" in activity for activity in scaled.activities())


def test_tracking_holds_its_target_and_scales_in_when_all_agree(scaled: Scaled) -> None:
    scaled.begin(2)
    cooldowns = {"ScaleOutCooldown": 0, "ScaleInCooldown": 3600}
    one, other = scaled.track("one", 60, **cooldowns), scaled.track("other", 80, **cooldowns)
    out_only = scaled.track("out-only", 10, DisableScaleIn=True)
    assert set(out_only) == {"AlarmHigh"}
    assert one["AlarmHigh"].startswith("TargetTracking-service/c/s-AlarmHigh-")
    found = scaled.alarms.describe_alarms(AlarmNamePrefix="TargetTracking-service/c/s-")["MetricAlarms"]
    shown = {a["AlarmName"]: (a["Threshold"], a["EvaluationPeriods"], a["Period"]) for a in found}
    assert shown[one["AlarmHigh"]] == (60, 3, 60)
    assert shown[one["AlarmLow"]] == (54, 15, 60)

    scaled.alarm(one["AlarmHigh"], 70, 90, 120)
    until(scaled.activities)
    scaled.alarm(one["AlarmHigh"], 50, state="OK")
    first = scaled.activities()[-1]
    assert first["Description"] == "Setting desired count to 4."
    assert one["AlarmHigh"] in first["Cause"]
    # While the alarm lasted its action repeated each minute, which is a second here: not always was it one.
    until(lambda: not any(each["StatusCode"] == "InProgress" for each in scaled.activities()))
    scaled.cloud.client("ecs").update_service(cluster="c", service="s", desiredCount=4)
    scaled.cloud.stable(4)

    scaled.alarm(one["AlarmLow"], 5)
    # Longer than the action takes, and nothing: the other one does not agree.
    time.sleep(0.5)
    assert scaled.desired() == 4
    scaled.alarm(other["AlarmLow"], 5)
    scaled.alarm(one["AlarmLow"], 5)
    scaled.becomes(3)
    scaled.cloud.stable(3)

    # A changed target changes the same alarms; without the policy they are gone.
    assert scaled.track("one", 30) == one
    found = scaled.alarms.describe_alarms(AlarmNames=[one["AlarmHigh"]])["MetricAlarms"]
    assert found[0]["Threshold"] == 30
    scaled.api.delete_scaling_policy(**RESOURCE, PolicyName="one")
    assert not scaled.alarms.describe_alarms(AlarmNames=list(one.values()))["MetricAlarms"]
    scaled.api.deregister_scalable_target(**RESOURCE)
    found = scaled.alarms.describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    assert found == []


def test_what_is_suspended_waits(scaled: Scaled) -> None:
    scaled.begin(1)
    scaled.api.register_scalable_target(**RESOURCE, SuspendedState={"DynamicScalingOutSuspended": True})
    scaled.step_policy("more", STEPS)
    scaled.alarm("more", 55)
    time.sleep(1.5)
    assert scaled.desired() == 1
    # The alarm lasts: the next minute's action is not held any more.
    scaled.api.register_scalable_target(**RESOURCE, SuspendedState={"DynamicScalingOutSuspended": False})
    scaled.becomes(2)


def test_schedules_change_the_bounds_and_survive_a_sudden_end(scaled: Scaled) -> None:
    scaled.begin(1)

    def put(name: str, expression: str, least: int, most: int) -> None:
        scaled.api.put_scheduled_action(
            **RESOURCE, ScheduledActionName=name, Schedule=expression,
            ScalableTargetAction={"MinCapacity": least, "MaxCapacity": most},
        )  # fmt: skip

    put("awake", "rate(1 minute)", 2, 4)
    scaled.becomes(2)
    causes = [activity["Cause"] for activity in scaled.activities()]
    assert "minimum capacity was set to 2" in causes
    assert "scheduled action name awake was triggered" in causes
    scaled.api.delete_scheduled_action(**RESOURCE, ScheduledActionName="awake")
    scaled.cloud.stable(2)
    tracking = scaled.track("load", 60)
    scaled.cloud.kill()
    # A policy without its alarms, as an earlier version left it, gets them at the start.
    (scaled.cloud.state / "emulator" / "cloudwatch.json").unlink(missing_ok=True)
    scaled.cloud.up()
    found = scaled.alarms.describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    assert {alarm["AlarmName"] for alarm in found} == set(tracking.values())
    target = scaled.api.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    assert not [name for name in target if name.startswith("_")]
    put("asleep", "cron(* * * * ? *)", 0, 0)
    scaled.becomes(0)
    assert "maximum capacity was set to 0" in [activity["Cause"] for activity in scaled.activities()]


def test_policies_that_could_not_act_are_refused(scaled: Scaled) -> None:
    scaled.begin(1)

    def refused(kind: str, why: str, **config: object) -> None:
        with pytest.raises(ClientError, match=why):
            scaled.api.put_scaling_policy(
                **RESOURCE, PolicyName="p", PolicyType=kind, **{f"{kind}PolicyConfiguration": config}
            )

    predefined = {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"}
    refused("TargetTrackingScaling", "either", TargetValue=1)
    refused("TargetTrackingScaling", "ECS", TargetValue=1, PredefinedMetricSpecification=predefined)
    refused("StepScaling", "AdjustmentType", StepAdjustments=STEPS)
    gap = [STEPS[0], {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 1}]
    refused("StepScaling", "gap", AdjustmentType="ChangeInCapacity", StepAdjustments=gap)
    assert scaled.api.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"] == []
    assert scaled.alarms.describe_alarms()["MetricAlarms"] == []


def test_a_deployment_is_not_fought_but_may_scale_out(scaled: Scaled) -> None:
    scaled.begin(2, most=4)
    scaled.step_policy("more", STEPS)
    scaled.step_policy("fewer", [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1}], above=False)
    # Its tasks never become healthy, so that it goes on until it is taken back.
    image = scaled.cloud.task_definition(scaled.cloud.push("bad"), MODE="unhealthy")
    ecs = scaled.cloud.client("ecs")
    before = scaled.cloud.described()["taskDefinition"]
    ecs.update_service(cluster="c", service="s", taskDefinition=image)
    scaled.alarm("fewer", 40)
    scaled.alarm("more", 55)
    scaled.becomes(3)
    scaled.alarm("more", 0, state="OK")
    assert len(scaled.cloud.described()["deployments"]) > 1
    # More than one minute's action.
    time.sleep(1.5)
    assert scaled.desired() == 3
    ecs.update_service(cluster="c", service="s", taskDefinition=before)
    scaled.becomes(2)
    assert scaled.cloud.described()["deployments"][0]["rolloutState"] == "COMPLETED"


def test_predefined_metrics_make_the_alarms_that_aws_makes(scaled: Scaled) -> None:
    scaled.begin(1)
    label = "app/lb/50dc6c495c0c9188/targetgroup/tg/943f017f100becff"

    def alarms(kind: str, **more: str) -> dict[str, dict[str, object]]:
        scaled.api.put_scaling_policy(
            **RESOURCE, PolicyName=kind, PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 50, "PredefinedMetricSpecification": {"PredefinedMetricType": kind, **more},
            },
        )  # fmt: skip
        policies = scaled.api.describe_scaling_policies(ServiceNamespace="ecs", PolicyNames=[kind])
        names = [alarm["AlarmName"] for alarm in policies["ScalingPolicies"][0]["Alarms"]]
        found = scaled.alarms.describe_alarms(AlarmNames=names)["MetricAlarms"]
        return {"Low" if "-AlarmLow-" in alarm["AlarmName"] else "High": alarm for alarm in found}

    cpu = alarms("ECSServiceAverageCPUUtilization")
    assert (cpu["High"]["Namespace"], cpu["High"]["MetricName"]) == ("AWS/ECS", "CPUUtilization")
    assert cpu["High"]["Dimensions"] == [
        {"Name": "ClusterName", "Value": "c"}, {"Name": "ServiceName", "Value": "s"},
    ]  # fmt: skip
    quick = alarms("ECSServiceAverageCPUUtilizationHighResolution")
    shown = {side: (alarm["Period"], alarm["EvaluationPeriods"]) for side, alarm in quick.items()}
    assert shown == {"High": (20, 3), "Low": (20, 45)}
    memory = alarms("ECSServiceAverageMemoryUtilization")
    assert memory["Low"]["MetricName"] == "MemoryUtilization"
    assert memory["Low"]["Threshold"] == 45
    requests = alarms("ALBRequestCountPerTarget", ResourceLabel=label)
    assert (requests["High"]["MetricName"], requests["High"]["Statistic"]) == ("RequestCountPerTarget", "Sum")
    assert requests["High"]["Dimensions"] == [
        {"Name": "LoadBalancer", "Value": "app/lb/50dc6c495c0c9188"},
        {"Name": "TargetGroup", "Value": "targetgroup/tg/943f017f100becff"},
    ]


def test_a_template_s_scheduled_action_runs(scaled: Scaled) -> None:
    scaled.cloud.service(scaled.cloud.task_definition(scaled.cloud.push()), scaled.cloud.balancer(), count=1)
    target = {
        "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
        "Properties": {
            **RESOURCE, "MinCapacity": 1, "MaxCapacity": 1,
            "ScheduledActions": [{
                "ScheduledActionName": "asleep", "Schedule": "rate(1 minute)",
                "StartTime": "2020-01-01T00:00:00Z",
                "ScalableTargetAction": {"MinCapacity": 0, "MaxCapacity": 0},
            }],
        },
    }  # fmt: skip
    stacks = scaled.cloud.client("cloudformation")
    stacks.create_stack(StackName="target", TemplateBody=json.dumps({"Resources": {"Target": target}}))
    scaled.becomes(0)
    action = scaled.api.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"][0]
    assert action["StartTime"].year == 2020
    assert not [name for name in action if name.startswith("_")]
