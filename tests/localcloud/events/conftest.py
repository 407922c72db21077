"""Queues that show what arrived somewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.localcloud.conftest import Cloud


@pytest.fixture
def queue(quick_cloud: Cloud) -> Callable[[str], Queue]:
    return lambda name: Queue(quick_cloud, name)


class Queue:
    """A queue that targets and topics deliver to, and everything that arrived in it."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._sqs = cloud.client("sqs")
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
        self._bodies: list[str] = []

    def bodies(self) -> list[str]:
        """Every message so far, oldest first."""
        found = self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self._bodies.append(message["Body"])
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self._bodies

    def documents(self) -> list[Any]:
        """Every message so far, each a JSON document."""
        return [json.loads(body) for body in self.bodies()]
