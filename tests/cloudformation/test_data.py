"""The table alone, with a replica, and where it is there already; what the template refuses."""

import dataclasses
from typing import Any

import pytest

from stack.cost import bill
from stack.cost.usage import Usage
from stack.files import rules
from stack.files.environment import Environment
from stack.scan.templates import Resolved, resolved
from tests.cloudformation.service import load_environment

HERE = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
THERE = HERE.replace("us-east-1", "us-west-2")
REPLICA = {"ReplicaRegion": "us-west-2", "ReplicaKeyArn": THERE}


def prod(**data: str) -> Environment:
    environment = load_environment("prod")
    parameters = {stack: dict(environment.parameters[stack]) for stack in environment.stacks}
    parameters["data"] |= data
    return dataclasses.replace(environment, parameters=parameters)


def data(**given: str) -> Resolved:
    return resolved(prod(**given))["data"]


def table(**given: str) -> dict[str, Any]:
    (found,) = data(**given).of_type("AWS::DynamoDB::GlobalTable").values()
    return dict(found)


def test_alone_it_is_a_table_of_one_region_without_a_stream() -> None:
    alone = table()
    (replica,) = alone["Replicas"]
    assert replica["Region"] == "us-east-1"
    assert "StreamSpecification" not in alone


@pytest.mark.parametrize("customer_key", ["true", "false"])
def test_a_replica_is_kept_like_the_first(customer_key: str) -> None:
    """Both are to be the table when the other one's region is gone; only region and key differ."""
    key = {} if customer_key == "true" else {"ReplicaKeyArn": "none"}
    both = table(**{**REPLICA, **key, "CustomerKey": customer_key})
    first, second = (dict(replica) for replica in both["Replicas"])
    assert (first.pop("Region"), second.pop("Region")) == ("us-east-1", "us-west-2")
    keys = [replica.pop("SSESpecification", {}).get("KMSMasterKeyId") for replica in (first, second)]
    assert first == second
    assert first["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert first["DeletionProtectionEnabled"] is True
    if customer_key == "true":
        assert keys == [{"Fn::GetAtt": ["Key", "Arn"]}, THERE]
    else:
        assert keys == [None, None]
    assert both["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_an_existing_table_takes_the_place_of_an_own_one() -> None:
    found = data(ExistingTable="echo-room-prod-data-Table-ABC")
    assert found.of_type("AWS::DynamoDB::GlobalTable") == {}
    assert found.of_type("AWS::KMS::Key"), "log groups want one"
    stacks = resolved(prod(ExistingTable="echo-room-prod-data-Table-ABC"))
    assert stacks["service"].values["TableName"] == "echo-room-prod-data-Table-ABC"
    arn = stacks["service"].values["TableArn"]
    assert arn == "arn:aws:dynamodb:us-east-1:111122223333:table/echo-room-prod-data-Table-ABC"


def test_an_existing_key_takes_the_place_of_a_new_one() -> None:
    stacks = resolved(prod(ExistingKeyArn=HERE))
    assert stacks["data"].of_type("AWS::KMS::Key") == {}
    (made,) = stacks["data"].of_type("AWS::DynamoDB::GlobalTable").values()
    assert made["Replicas"][0]["SSESpecification"] == {"KMSMasterKeyId": HERE}
    assert stacks["service"].values["KeyArn"] == HERE


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({**REPLICA, "ReplicaRegion": "us-east-1"}, "another region than the stack's own"),
        ({**REPLICA, "ExistingTable": "other"}, "for a table that this stack makes"),
        ({"ReplicaRegion": "us-west-2"}, "needs a key of its own region"),
        ({**REPLICA, "CustomerKey": "false"}, "keys of the same kind"),
        ({"ReplicaKeyArn": THERE}, "ReplicaKeyArn needs ReplicaRegion"),
        ({"ExistingKeyArn": HERE, "CustomerKey": "false"}, "ExistingKeyArn goes with"),
    ],
)
def test_nonsense_is_refused(given: dict[str, str], said: str) -> None:
    template = prod().templates["data"]
    defaults = {name: one.default or "" for name, one in template.parameters.items()}
    assert rules.broken(template, defaults, "us-east-1") == []
    found = rules.broken(template, {**defaults, **given}, "us-east-1")
    assert [said in one.description for one in found].count(True) == 1


def test_a_replica_that_is_behind_is_told_and_shown() -> None:
    alone, both = resolved(prod()), resolved(prod(**REPLICA))
    added = both["monitoring"].resources.keys() - alone["monitoring"].resources.keys()
    assert added == {"ReplicationAlarm"}
    (body,) = both["dashboard"].of_type("AWS::CloudWatch::Dashboard").values()
    assert '"ReceivingRegion", "us-west-2"' in body["DashboardBody"]


def test_what_is_written_and_kept_is_paid_for_in_each_region() -> None:
    usage = Usage(table_reads=0, table_writes=2e6, table_gb=4)
    alone, both = (bill.of(prod(**given), usage) for given in ({}, REPLICA))
    assert alone.of("data").total == pytest.approx(1 + 2 * 0.625 + 4 * (0.25 + 0.20))
    assert both.of("data").total - alone.of("data").total == pytest.approx(2 * 0.625 + 4 * 0.45)
    assert both.of("monitoring").idle - alone.of("monitoring").idle == pytest.approx(0.10)
    named = [one.why for one in both.not_priced if one.stack == "data"]
    assert named == ["what is written, on its way to the other region"]
