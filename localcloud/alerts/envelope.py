"""What SNS sends: the JSON document around a message, its headers, and its signature.

The signature is real, with a key that belongs to the state directory. `SigningCertURL` gives its certificate,
from the gateway and not from amazonaws.com: libraries that insist on Amazon's host refuse it, as they should.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from localcloud.alerts.journal import AlarmChange
from localcloud.authority import Authority, is_ending, write_private

CERTIFICATE_PATH = "/SimpleNotificationService.pem"

#: Regions by the names that subjects and mail have for them; others appear by code.
REGIONS = {
    "us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-2": "US West (Oregon)",
    "eu-central-1": "EU (Frankfurt)", "eu-west-1": "EU (Ireland)",
}  # fmt: skip

#: What is signed, in this order, as far as the document has it.
_SIGNED = ("Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type")

Document = dict[str, Any]


class Signer:
    """Signs documents, and says where what they name is found. The key is made when it is first needed."""

    def __init__(self, certificates: Path, gateway_url: str) -> None:
        self._authority = Authority(certificates)
        self._file = certificates / "sns.pem"
        self._url = gateway_url
        self._key: rsa.RSAPrivateKey | None = None

    def certificate(self) -> bytes:
        """The certificate that signatures are checked with, in PEM."""
        self._load()
        return self._certificate_text().encode()

    def _load(self) -> rsa.RSAPrivateKey:
        if self._key is None:
            if not self._file.exists() or is_ending(self._certificate_text()):
                leaf = self._authority.issue(["sns.localhost"], "RSA_2048")
                write_private(self._file, (leaf.private_key + leaf.certificate).encode())
            key = serialization.load_pem_private_key(self._file.read_bytes(), None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise TypeError(f"{self._file} has no RSA key; remove it, and one is made")
            self._key = key
        return self._key

    def _certificate_text(self) -> str:
        begin = "-----BEGIN CERTIFICATE-----"
        return begin + self._file.read_text().partition(begin)[2]

    def notification(
        self, topic: Document, subscription: Document, message_id: str, message: str, subject: str,
        attributes: dict[str, Any], stamp: str,
    ) -> Document:  # fmt: skip
        """The document of a message to one subscription."""
        document: Document = {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": topic["arn"],
            **({"Subject": subject} if subject else {}),
            "Message": message,
            "Timestamp": stamp,
        }
        document |= self._signature(document, topic)
        document["UnsubscribeURL"] = self._action("Unsubscribe", SubscriptionArn=subscription["arn"])
        if attributes:
            document["MessageAttributes"] = {
                name: {
                    "Type": value.get("DataType", "String"),
                    "Value": value.get("StringValue") or value.get("BinaryValue") or "",
                }
                for name, value in attributes.items()
            }
        return document

    def confirmation(self, topic: Document, subscription: Document, message_id: str) -> Document:
        """The document that asks an endpoint to confirm its subscription."""
        arn, token = topic["arn"], subscription["token"]
        document: Document = {
            "Type": "SubscriptionConfirmation",
            "MessageId": message_id,
            "Token": token,
            "TopicArn": arn,
            "Message": f"You have chosen to subscribe to the topic {arn}.\nTo confirm the subscription, "
                       "visit the SubscribeURL included in this message.",
            "SubscribeURL": self._action("ConfirmSubscription", TopicArn=arn, Token=token),
            "Timestamp": now(),
        }  # fmt: skip
        return document | self._signature(document, topic)

    def _action(self, name: str, **parameters: str) -> str:
        return f"{self._url}/?{urlencode({'Action': name, **parameters})}"

    def _signature(self, document: Document, topic: Document) -> Document:
        version = topic["attributes"].get("SignatureVersion") or "1"
        text = "".join(f"{name}\n{document[name]}\n" for name in _SIGNED if name in document)
        # Version 1 is SHA-1, as on AWS, where it is still what a topic has unless it says 2.
        algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - see above
        signature = self._load().sign(text.encode(), padding.PKCS1v15(), algorithm)
        return {
            "SignatureVersion": version,
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": self._url + CERTIFICATE_PATH,
        }


def headers(document: Document, subscription_arn: str, raw: bool) -> dict[str, str]:
    """The headers of a request that carries the document, or its message alone."""
    found = {
        "x-amz-sns-message-type": document["Type"],
        "x-amz-sns-message-id": document["MessageId"],
        "x-amz-sns-topic-arn": document["TopicArn"],
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
    }
    if document["Type"] == "Notification":
        found["x-amz-sns-subscription-arn"] = subscription_arn
    if raw:
        found["x-amz-sns-rawdelivery"] = "true"
    return found


def now() -> str:
    """The time as SNS writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def alarm_of(message: str) -> AlarmChange | None:
    """The change of state that a message of CloudWatch's tells of; None for any other message."""
    try:
        found = json.loads(message)
    except ValueError:
        return None
    if not isinstance(found, dict) or not {"AlarmName", "NewStateValue"} <= found.keys():
        return None
    names = ("AlarmName", "OldStateValue", "NewStateValue", "NewStateReason")
    return AlarmChange(*(str(found.get(name, "")) for name in names))


def file_name(stamp: str, subscription_arn: str, message_id: str) -> str:
    """A name for a message's file that sorts by time; the same message to two subscriptions has two."""
    of_subscription = hashlib.sha256(subscription_arn.encode()).hexdigest()[:8]
    return f"{stamp.replace(':', '').replace('.', '')}-{message_id}-{of_subscription}.eml"
