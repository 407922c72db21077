"""SNS: subscriptions that a stack makes are asked to confirm like those the API makes."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.alerts.control import current
from localcloud.resources.base import Made, Properties, Provisioner


def _create(logical_id: str, properties: Properties, stack_name: str) -> Made:
    sns: Any = emulator.module("services.sns")
    topic = sns._topics.get(properties["TopicArn"])
    if topic is None:
        raise ValueError(f"Topic does not exist: {properties['TopicArn']}")
    arn, attributes = _made(logical_id, properties, stack_name)
    subscription = next(found for found in topic["subscriptions"] if found["arn"] == arn)
    pending = not subscription["confirmed"]
    subscription["attributes"] |= {
        "SubscriptionArn": arn,
        "TopicArn": subscription["topic_arn"],
        "Protocol": subscription["protocol"],
        "Endpoint": subscription["endpoint"],
        "Owner": subscription["owner"],
        "PendingConfirmation": "true" if pending else "false",
    }
    if pending:
        subscription["token"] = emulator.module("core.responses").new_uuid()
        current().confirm(topic["arn"], subscription)
    return arn, attributes


def _made(logical_id: str, properties: Properties, stack_name: str) -> Made:
    made: Made = emulator.module("services.cloudformation.provisioners")._sns_sub_create(
        logical_id, properties, stack_name
    )
    return made


PROVISIONERS = {"AWS::SNS::Subscription": Provisioner(_create)}
