"""Tables with replicas: what reaches them and when, the settings of each, and what CloudFormation refuses."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

from stack.review import replicas
from tests.localcloud.conftest import Cloud

HOME, AWAY, FAR = "us-east-1", "us-west-2", "eu-west-1"
Until = Callable[..., None]


def replica(region: str, **more: Any) -> dict[str, Any]:
    # Values of parameters are texts.
    backups = {"PointInTimeRecoveryEnabled": "true"}
    protected = {"DeletionProtectionEnabled": "false"}
    return {"Region": region, "PointInTimeRecoverySpecification": backups, **protected, **more}


def template(*replicas: dict[str, Any], stream: bool | None = None, **more: Any) -> dict[str, Any]:
    streams = len(replicas) > 1 if stream is None else stream
    table = {
        "BillingMode": "PAY_PER_REQUEST", "WriteOnDemandThroughputSettings": {"MaxWriteRequestUnits": 7},
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "TimeToLiveSpecification": {"AttributeName": "ends", "Enabled": True},
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
        **({"StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"}} if streams else {}),
        "Replicas": list(replicas), **more,
    }  # fmt: skip
    outputs = {name: {"Value": {"Fn::GetAtt": ["Table", name]}} for name in ("Arn", "TableId")}
    if streams:
        outputs["StreamArn"] = {"Value": {"Fn::GetAtt": ["Table", "StreamArn"]}}
    return {
        "Resources": {"Table": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": table}},
        "Outputs": {"Name": {"Value": {"Ref": "Table"}}, **outputs},
    }


class Stack:
    """A stack with a global table."""

    def __init__(self, cloud: Cloud, *replicas: dict[str, Any]) -> None:
        self.cloud, self.name = cloud, f"g{uuid.uuid4().hex[:8]}"
        made = cloud.deploy(self.name, template(*replicas))
        assert made["StackStatus"] == "CREATE_COMPLETE", cloud.failures(self.name)
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
        self.table = self.outputs["Name"]

    def update(self, *replicas: dict[str, Any], **more: Any) -> str:
        """The first failure of an update, "" when there was none."""
        before = len(self.cloud.failures(self.name))
        done = self.cloud.deploy(self.name, template(*replicas, **more), "UPDATE")["StackStatus"]
        failures = self.cloud.failures(self.name)[before:]
        assert done == ("UPDATE_ROLLBACK_COMPLETE" if failures else "UPDATE_COMPLETE")
        return failures[0][2] if failures else ""

    def dynamodb(self, region: str) -> Any:
        return self.cloud.client("dynamodb", region)

    def regions(self) -> list[str]:
        found = self.dynamodb(HOME).describe_table(TableName=self.table)["Table"]
        return sorted(each["RegionName"] for each in found.get("Replicas", []))

    def described(self, region: str) -> dict[str, Any]:
        found: dict[str, Any] = self.dynamodb(region).describe_table(TableName=self.table)["Table"]
        return found

    def backed_up(self, region: str) -> bool:
        found = self.dynamodb(region).describe_continuous_backups(TableName=self.table)
        backups = found["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        return bool(backups["PointInTimeRecoveryStatus"] == "ENABLED")

    def put(self, region: str, pk: str, value: str = "1") -> None:
        self.dynamodb(region).put_item(TableName=self.table, Item={"pk": {"S": pk}, "value": {"S": value}})

    def values(self, region: str) -> dict[str, str]:
        items = self.dynamodb(region).scan(TableName=self.table)["Items"]
        return {item["pk"]["S"]: item["value"]["S"] for item in items}


def test_a_write_reaches_the_other_replicas_a_moment_later(shared_cloud: Cloud, until: Until) -> None:
    stack = Stack(shared_cloud, replica(HOME), replica(AWAY), replica(FAR))
    assert stack.regions() == sorted([AWAY, FAR])
    stack.put(HOME, "a", "old")
    until(lambda: stack.values(AWAY) == stack.values(FAR) == {"a": "old"})
    stack.put(AWAY, "a", "new")
    stack.put(AWAY, "b")
    until(lambda: stack.values(HOME) == stack.values(FAR) == {"a": "new", "b": "1"})
    # Of two writes of one item the later one wins everywhere, also where it was first.
    stack.put(HOME, "c", "earlier")
    stack.put(AWAY, "c", "later")
    stack.dynamodb(FAR).delete_item(TableName=stack.table, Key={"pk": {"S": "b"}})
    until(lambda: all(stack.values(each) == {"a": "new", "c": "later"} for each in (HOME, AWAY, FAR)))

    def latencies() -> list[float]:
        now, dimensions = dt.datetime.now(dt.UTC), {"TableName": stack.table, "ReceivingRegion": AWAY}
        found = shared_cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/DynamoDB", MetricName="ReplicationLatency", Period=60, Statistics=["Maximum"],
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - dt.timedelta(hours=1), EndTime=now + dt.timedelta(minutes=1),
        )["Datapoints"]  # fmt: skip
        return [point["Maximum"] for point in found if point["Unit"] == "Milliseconds"]

    until(latencies)
    assert min(latencies()) >= 500
    assert shared_cloud.delete(stack.name)["StackStatus"] == "DELETE_COMPLETE"
    for region in (HOME, AWAY, FAR):
        assert stack.table not in stack.dynamodb(region).list_tables()["TableNames"]


def test_each_replica_has_settings_of_its_own(shared_cloud: Cloud) -> None:
    stack = Stack(shared_cloud, replica(HOME, ReadOnDemandThroughputSettings={"MaxReadRequestUnits": 5}))
    stack.put(HOME, "a")
    away = replica(
        AWAY, DeletionProtectionEnabled="true", SSESpecification={"KMSMasterKeyId": "key-of-the-west"},
        ReadOnDemandThroughputSettings={"MaxReadRequestUnits": 9}, Tags=[{"Key": "side", "Value": "west"}],
    )  # fmt: skip
    home = replica(HOME, SSESpecification={"KMSMasterKeyId": "key-of-the-east"})
    assert stack.update(home, away) == ""
    assert stack.values(AWAY) == {"a": "1"}, "what there was is copied"
    here, there = stack.described(HOME), stack.described(AWAY)
    assert [each["DeletionProtectionEnabled"] for each in (here, there)] == [False, True]
    keys = [each["SSEDescription"]["KMSMasterKeyArn"] for each in (here, there)]
    assert keys == ["key-of-the-east", "key-of-the-west"]
    limits = [each["OnDemandThroughput"] for each in (here, there)]
    assert [each["MaxReadRequestUnits"] for each in limits] == [-1, 9]
    assert [each["MaxWriteRequestUnits"] for each in limits] == [7, 7]
    tags = [
        stack.dynamodb(region).list_tags_of_resource(ResourceArn=each["TableArn"])["Tags"]
        for region, each in ((HOME, here), (AWAY, there))
    ]
    assert {"Key": "side", "Value": "west"} in tags[1]
    assert {"Key": "side", "Value": "west"} not in tags[0]
    assert stack.backed_up(HOME)
    assert stack.backed_up(AWAY)
    off = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": "false"}}
    assert "protected against deletion" in stack.update(home)
    assert stack.regions() == [AWAY]
    assert stack.update(home, replica(AWAY, **off)) == ""
    assert not stack.backed_up(AWAY)
    assert stack.described(AWAY)["DeletionProtectionEnabled"] is False
    assert stack.update(home) == ""
    assert stack.regions() == []
    assert stack.table not in stack.dynamodb(AWAY).list_tables()["TableNames"]
    assert stack.values(HOME) == {"a": "1"}


def test_what_cloudformation_refuses_of_replicas(shared_cloud: Cloud) -> None:
    stack = Stack(shared_cloud, replica(HOME))
    assert stack.outputs["Arn"].endswith(f":table/{stack.table}")
    assert stack.outputs["TableId"] == stack.described(HOME)["TableId"]
    assert "single replica" in stack.update(replica(HOME), replica(AWAY), replica(FAR))
    assert "StreamSpecification is required" in stack.update(replica(HOME), replica(AWAY), stream=False)
    assert f"region of the stack, {HOME}" in stack.update(replica(AWAY))
    stack.dynamodb(AWAY).create_table(
        TableName=stack.table, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )  # fmt: skip
    assert "already existed as tables" in stack.update(replica(HOME), replica(AWAY))
    assert stack.regions() == []
    stack.dynamodb(AWAY).delete_table(TableName=stack.table)
    assert stack.update(replica(HOME), replica(AWAY)) == ""
    keys_only = {"StreamSpecification": {"StreamViewType": "KEYS_ONLY"}}
    assert "only while there is" in stack.update(replica(HOME), replica(AWAY), **keys_only)


def test_a_table_that_is_there_is_never_taken(shared_cloud: Cloud) -> None:
    kept = template(replica(HOME))
    kept["Resources"]["Table"]["DeletionPolicy"] = "Retain"
    name, dynamodb = f"g{uuid.uuid4().hex[:8]}", shared_cloud.client("dynamodb")

    def table() -> str:
        outputs = shared_cloud.deploy(name, kept)["Outputs"]
        return next(str(each["OutputValue"]) for each in outputs if each["OutputKey"] == "Name")

    old = table()
    dynamodb.put_item(TableName=old, Item={"pk": {"S": "a"}})
    assert shared_cloud.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    assert table() != old, "what was retained stays as it is, and the stack has a table of its own"
    assert dynamodb.scan(TableName=old)["Items"] == [{"pk": {"S": "a"}}]
    named = shared_cloud.deploy(f"{name}-named", template(replica(HOME), TableName=old))
    assert named["StackStatus"].startswith("ROLLBACK")
    failure = ("Table", "CREATE_FAILED", f"Table already exists: {old}")
    assert failure in shared_cloud.failures(f"{name}-named")


def test_drift_sees_replicas(shared_cloud: Cloud, until: Until) -> None:
    stack, cfn = Stack(shared_cloud, replica(HOME), replica(AWAY)), shared_cloud.client("cloudformation")

    def drifted() -> list[str]:
        detection = cfn.detect_stack_drift(StackName=stack.name)["StackDriftDetectionId"]
        status = "DetectionStatus"
        until(
            lambda: (
                cfn.describe_stack_drift_detection_status(StackDriftDetectionId=detection)[status]
                == "DETECTION_COMPLETE"
            )
        )
        (found,) = cfn.describe_stack_resource_drifts(StackName=stack.name)["StackResourceDrifts"]
        assert found["StackResourceDriftStatus"] in ("IN_SYNC", "MODIFIED")
        return [each["PropertyPath"] for each in found.get("PropertyDifferences", [])]

    assert drifted() == []
    stack.dynamodb(AWAY).update_table(TableName=stack.table, DeletionProtectionEnabled=True)
    assert [path.split("/")[1] for path in drifted()] == ["Replicas"]


def test_a_change_set_tells_which_replica_goes(shared_cloud: Cloud) -> None:
    """By what `approve` refuses it: for CloudFormation the table is modified, no more."""
    stack = Stack(shared_cloud, replica(HOME), replica(AWAY))
    described = shared_cloud.change_set(stack.name, template(replica(HOME), stream=True), "UPDATE")
    (change,) = (one["ResourceChange"] for one in described["Changes"])
    assert (change["Action"], change["Replacement"]) == ("Modify", "False")
    assert replicas.lost(change) == f"deletes the replica in {AWAY} of"


def test_what_a_lost_region_had_not_sent_arrives_when_it_is_back(own_cloud: Cloud, until: Until) -> None:
    own_cloud.run("up")
    stack = Stack(own_cloud, replica(HOME), replica(AWAY), replica(FAR))
    stack.put(HOME, "a")
    until(lambda: stack.values(AWAY) == {"a": "1"})
    # What is written just before the region is lost may be known there only.
    stack.put(HOME, "a", "unsent")
    stack.put(HOME, "b", "unsent")
    own_cloud.run("region-outage", HOME, "--seconds", "3600")
    stack.put(AWAY, "a", "later")
    stack.put(AWAY, "c")
    until(lambda: stack.values(FAR).items() >= {"a": "later", "c": "1"}.items())
    own_cloud.run("region-outage", AWAY, "--seconds", "3600")
    own_cloud.run("region-outage", HOME, "--seconds", "0")
    assert "c" not in stack.values(HOME), "nothing has left the other region since it was lost"
    own_cloud.run("down")
    own_cloud.run("up")
    # The outage ended with the process; nothing that was on its way is lost.
    all_of_it = {"a": "later", "b": "unsent", "c": "1"}
    until(lambda: all(stack.values(region) == all_of_it for region in (HOME, AWAY, FAR)))
