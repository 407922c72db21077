"""Mail as files: one .eml for each message and address, in the state directory. Nothing is sent."""

from __future__ import annotations

import json
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from localcloud.alerts.envelope import Document, alarm_of, file_name
from localcloud.authority import write_private


def write(directory: Path, protocol: str, to: str, subscription: Document, document: Document) -> Path:
    """Write a message's mail and return its file. Raises OSError; ValueError for an address that is none."""
    found = EmailMessage(policy=SMTP)
    found["From"] = "AWS Notifications <no-reply@sns.amazonaws.com>"
    found["To"] = to
    found["Subject"] = " ".join(str(document.get("Subject") or "AWS Notification Message").split())
    found["X-Amz-Sns-Topic-Arn"] = document["TopicArn"]
    found["Message-ID"] = f"<{document['MessageId']}@localcloud.invalid>"
    found.set_content(json.dumps(document, indent=2) if protocol == "email-json" else _text(document))
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / file_name(document["Timestamp"], subscription["arn"], document["MessageId"])
    write_private(path, found.as_bytes())
    return path


def _text(document: Document) -> str:
    message = str(document["Message"])
    body = _of_alarm(json.loads(message)) if alarm_of(message) else message
    return (
        f"{body}\n\n--\nIf you wish to stop receiving notifications from this topic, please visit the link "
        f"below to unsubscribe:\n{document['UnsubscribeURL']}\n"
    )


def _of_alarm(alarm: dict[str, Any]) -> str:
    lines = {
        "Name": alarm["AlarmName"],
        "Description": alarm.get("AlarmDescription"),
        "State Change": f"{alarm.get('OldStateValue')} -> {alarm['NewStateValue']}",
        "Reason for State Change": alarm.get("NewStateReason"),
        "Timestamp": alarm.get("StateChangeTime"),
        "AWS Account": alarm.get("AWSAccountId"),
        "Alarm Arn": alarm.get("AlarmArn"),
    }
    details = "\n".join(f"- {name + ':':<26} {value}" for name, value in lines.items() if value)
    return (
        f'You are receiving this email because your Amazon CloudWatch Alarm "{alarm["AlarmName"]}" in the '
        f"{alarm.get('Region')} region has entered the {alarm['NewStateValue']} state.\n\n"
        f"Alarm Details:\n{details}"
    )
