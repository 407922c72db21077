"""What a restored table lacks, and gets."""

from __future__ import annotations

from dataclasses import replace

from stack.recover import settings
from stack.recover.table import describe
from tests.stack.recover.conftest import Tables


def test_a_restored_table_gets_the_settings_of_the_other_once(tables: Tables, cloud):
    client, name, target = tables.live.dynamodb, tables.live.name, tables.target
    client.update_table(
        TableName=name, OnDemandThroughput={"MaxReadRequestUnits": 50, "MaxWriteRequestUnits": 20}
    )
    client.update_table(TableName=name, DeletionProtectionEnabled=True)
    client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True}
    )
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    tags = [{"Key": "project", "Value": "echo-room"}, {"Key": "aws:cloudformation:x", "Value": "y"}]
    client.tag_resource(ResourceArn=tables.live.arn, Tags=tags)
    live = replace(tables.live, described=describe(client, name) or {})

    assert settings.carry_over(cloud, live, target) == [
        "limits of reads and writes",
        "deletion protection",
        "expiry of items (TTL)",
        "point-in-time recovery",
        "tags",
    ]
    described = describe(client, target) or {}
    assert described["DeletionProtectionEnabled"]
    assert described["OnDemandThroughput"] == {"MaxReadRequestUnits": 50, "MaxWriteRequestUnits": 20}
    assert settings.expires_by(client, target) == "expires_at"
    backups = client.describe_continuous_backups(TableName=target)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert client.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"] == tags[:1]

    assert settings.carry_over(cloud, live, target) == []
