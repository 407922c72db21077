"""What becomes of messages: mail in files, requests to loopback, and a reason for everything else."""

import base64
import email
import email.policy
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.localcloud.conftest import ROOT

#: Retries at once, so that no test waits for them.
AT_ONCE = json.dumps({"healthyRetryPolicy": {"numRetries": 3, "numNoDelayRetries": 3, "minDelayTarget": 1,
                                             "maxDelayTarget": 1}})  # fmt: skip


def topic(cloud: Any, name: str) -> str:
    return str(cloud.client("sns").create_topic(Name=name)["TopicArn"])


def subscribe(cloud: Any, arn: str, protocol: str, endpoint: str, **attributes: str) -> str:
    answer = cloud.client("sns").subscribe(
        TopicArn=arn, Protocol=protocol, Endpoint=endpoint, Attributes=attributes, ReturnSubscriptionArn=True
    )
    return str(answer["SubscriptionArn"])


def deliveries(cloud: Any, arn: str) -> list[dict[str, Any]]:
    """The listing's entries of one topic, without confirmations."""
    found = json.loads(cloud.run("alerts", "--json").stdout)
    return [d for d in found if d["topic"] == arn and d["subject"] != "Subscription confirmation"]


def ended(cloud: Any, arn: str) -> list[dict[str, Any]]:
    found = deliveries(cloud, arn)
    return found if all(d["result"] != "pending" for d in found) else []


def confirmed(cloud: Any, server: Any, until: Callable[..., None]) -> None:
    """Do what an endpoint does when it is asked to confirm."""
    until(lambda: server.got)
    document = json.loads(server.got.pop(0)[1])
    requests.get(document["SubscribeURL"], timeout=30).raise_for_status()


def mail(cloud: Any, path: str) -> Any:
    return email.message_from_bytes(Path(path).read_bytes(), policy=email.policy.default)


def test_mail_is_written_to_a_file(shared_cloud: Any, until: Callable[..., None]) -> None:
    arn = topic(shared_cloud, "mail")
    subscribe(shared_cloud, arn, "email", "on-call@example.test")
    subscribe(shared_cloud, arn, "email-json", "robot@example.test")
    sent = shared_cloud.client("sns").publish(TopicArn=arn, Subject="Lunch", Message="Grüße aus der Küche")
    until(lambda: ended(shared_cloud, arn))
    found = deliveries(shared_cloud, arn)
    assert [(d["result"], d["endpoint"], d["message_id"]) for d in found] == [
        ("delivered", "on-call@example.test", sent["MessageId"]),
        ("delivered", "robot@example.test", sent["MessageId"]),
    ]
    text, document = (mail(shared_cloud, d["file"]) for d in found)
    assert (text["To"], text["Subject"]) == ("on-call@example.test", "Lunch")
    assert text.get_content().startswith("Grüße aus der Küche")
    assert json.loads(document.get_content())["Message"] == "Grüße aus der Küche"
    assert {p.stat().st_mode & 0o777 for p in (shared_cloud.state_dir / "mail").iterdir()} == {0o600}


def test_an_endpoint_confirms_and_then_gets_signed_messages(
    shared_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    arn, server = topic(shared_cloud, "hook"), endpoint(200)
    subscription = subscribe(shared_cloud, arn, "http", server.url)
    sns = shared_cloud.client("sns")
    until(lambda: server.got)
    head, body = server.got[0]
    assert head["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    assert head["x-amz-sns-topic-arn"] == arn
    assert "x-amz-sns-subscription-arn" not in head
    verify(json.loads(body))
    sns.publish(TopicArn=arn, Message="too early")
    until(lambda: ended(shared_cloud, arn))
    assert "has not been confirmed" in deliveries(shared_cloud, arn)[0]["because"]
    confirmed(shared_cloud, server, until)
    sent = sns.publish(
        TopicArn=arn, Subject="s", Message="m",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "test"}},
    )  # fmt: skip
    until(lambda: server.got)
    head, body = server.got[0]
    document = json.loads(body)
    verify(document)
    assert head["x-amz-sns-message-type"] == document["Type"] == "Notification"
    assert head["x-amz-sns-message-id"] == document["MessageId"] == sent["MessageId"]
    assert head["x-amz-sns-subscription-arn"].startswith(f"{arn}:")
    assert subscription in (head["x-amz-sns-subscription-arn"], "pending confirmation")
    assert (document["Message"], document["Subject"]) == ("m", "s")
    assert document["MessageAttributes"] == {"kind": {"Type": "String", "Value": "test"}}
    until(lambda: [d["result"] for d in deliveries(shared_cloud, arn)] == ["not delivered", "delivered"])
    requests.get(document["UnsubscribeURL"], timeout=30).raise_for_status()
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []


def verify(document: dict[str, Any]) -> None:
    """As AWS describes it: the named members, sorted, signed with the key of the certificate at the URL."""
    names = ("Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type")
    text = "".join(f"{name}\n{document[name]}\n" for name in names if name in document)
    pem = requests.get(document["SigningCertURL"], timeout=30).content
    key = x509.load_pem_x509_certificate(pem).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(document["Signature"]), text.encode(), padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - SNS's version 1


def test_raw_delivery_and_filters(
    shared_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    arn, server = topic(shared_cloud, "raw"), endpoint(200)
    subscribe(shared_cloud, arn, "http", server.url, RawMessageDelivery="true",
              FilterPolicy=json.dumps({"kind": ["wanted"]}))  # fmt: skip
    confirmed(shared_cloud, server, until)
    for kind in ("other", "wanted"):
        shared_cloud.client("sns").publish(
            TopicArn=arn,
            Message=kind,
            MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}},
        )
    until(lambda: ended(shared_cloud, arn))
    assert [(head["x-amz-sns-rawdelivery"], body) for head, body in server.got] == [("true", "wanted")]
    assert len(deliveries(shared_cloud, arn)) == 1


@pytest.mark.parametrize(
    ("statuses", "result", "because", "attempts"),
    [
        ((200, 500, 429, 204), "delivered", "", 3),
        ((200, 500, 500, 500, 500), "failed", "HTTP status 500", 4),
        ((200, 404), "failed", "HTTP status 404", 1),
        ((200, 302), "failed", "HTTP status 302", 1),
    ],
)
def test_what_is_tried_again(
    shared_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None],
    statuses: tuple[int, ...], result: str, because: str, attempts: int,
) -> None:  # fmt: skip
    arn, server = topic(shared_cloud, "again-" + "-".join(map(str, statuses))), endpoint(*statuses)
    subscribe(shared_cloud, arn, "http", server.url, DeliveryPolicy=AT_ONCE)
    confirmed(shared_cloud, server, until)
    shared_cloud.client("sns").publish(TopicArn=arn, Message="m")
    until(lambda: ended(shared_cloud, arn))
    (found,) = deliveries(shared_cloud, arn)
    assert (found["result"], found["because"], found["attempts"]) == (result, because, attempts)
    assert len(server.got) == attempts


@pytest.mark.parametrize(
    ("protocol", "to", "because"),
    [
        ("https", "https://192.0.2.1/hook", "192.0.2.1 is not a loopback address"),
        ("http", "http://alerts.example.test/hook", "no hosted zone of the local cloud has a record"),
        ("http", "https://127.0.0.1/hook", "not a URL that begins with http://"),
        ("sms", "+4915112345678", "the local cloud has no sms"),
        ("lambda", "arn:aws:lambda:us-east-1:000000000000:function:f", "the local cloud has no lambda"),
        ("sqs", "arn:aws:sqs:us-east-1:000000000000:none-such", "there is no such queue"),
    ],
)
def test_what_is_not_delivered_says_why(
    shared_cloud: Any, until: Callable[..., None], protocol: str, to: str, because: str
) -> None:
    arn = topic(shared_cloud, re.sub(r"\W+", "-", f"not {protocol} {to}"))
    subscribe(shared_cloud, arn, protocol, to)
    shared_cloud.client("sns").publish(TopicArn=arn, Message="m")
    until(lambda: ended(shared_cloud, arn))
    found = json.loads(shared_cloud.run("alerts", "--json").stdout)
    of_topic = [d for d in found if d["topic"] == arn]
    assert {d["result"] for d in of_topic} <= {"not delivered", "failed"}
    assert because in of_topic[0]["because"]


def test_queues_get_messages_and_topics_without_subscriptions_say_so(
    shared_cloud: Any, until: Callable[..., None]
) -> None:
    sqs, arn = shared_cloud.client("sqs"), topic(shared_cloud, "queue")
    shared_cloud.client("sns").publish(TopicArn=arn, Message="first")
    until(lambda: deliveries(shared_cloud, arn))
    assert deliveries(shared_cloud, arn)[0]["because"] == "the topic has no subscriptions"
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    subscribe(shared_cloud, arn, "sqs", "arn:aws:sqs:us-east-1:000000000000:alerts")
    shared_cloud.client("sns").publish(TopicArn=arn, Message="second")
    until(lambda: len(ended(shared_cloud, arn)) == 2)
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["Message"] == "second"


def test_alarms_reach_their_topics(shared_cloud: Any, until: Callable[..., None]) -> None:
    arn = topic(shared_cloud, "alarms")
    subscribe(shared_cloud, arn, "email", "on-call@example.test")
    cloudwatch = shared_cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="hot", AlarmDescription="It is hot", Namespace="n", MetricName="m", Statistic="Sum",
        Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[arn],
        Dimensions=[{"Name": "d", "Value": "v"}],
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="hot", StateValue="ALARM", StateReason="on purpose")
    cloudwatch.set_alarm_state(AlarmName="hot", StateValue="OK", StateReason="no action for this")
    until(lambda: ended(shared_cloud, arn))
    (found,) = deliveries(shared_cloud, arn)
    assert found["alarm"] == {
        "name": "hot", "old_state": "INSUFFICIENT_DATA", "new_state": "ALARM", "reason": "on purpose",
    }  # fmt: skip
    assert found["subject"] == 'ALARM: "hot" in US East (N. Virginia)'
    text = mail(shared_cloud, found["file"]).get_content()
    assert "has entered the ALARM state" in text
    assert "It is hot" in text
    (action,) = cloudwatch.describe_alarm_history(AlarmName="hot", HistoryItemType="Action")[
        "AlarmHistoryItems"
    ]
    assert action["HistorySummary"] == f"Successfully executed action {arn}"
    assert json.loads(action["HistoryData"])["actionState"] == "Succeeded"
    listing = shared_cloud.run("alerts").stdout
    assert "hot: INSUFFICIENT_DATA -> ALARM (on purpose)  to email on-call@example.test: delivered" in listing


def test_a_stacks_subscription_is_asked_to_confirm(
    shared_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    server = endpoint(200)
    subscription = {"TopicArn": {"Ref": "Topic"}, "Protocol": "http", "Endpoint": server.url}
    template = {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
            "Subscription": {"Type": "AWS::SNS::Subscription", "Properties": subscription},
        },
        "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
    }
    stack = shared_cloud.deploy("subscription", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    confirmed(shared_cloud, server, until)
    shared_cloud.client("sns").publish(TopicArn=stack["Outputs"][0]["OutputValue"], Message="m")
    until(lambda: server.got)
    assert json.loads(server.got[0][1])["Message"] == "m"


def test_deliveries_and_confirmations_survive_a_kill(
    own_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    own_cloud.run("up")
    # Busy for ever, as far as the first process is concerned: its retries are an hour apart.
    arn, server = topic(own_cloud, "t"), endpoint(200, 500, 200)
    slow = {"healthyRetryPolicy": {"numRetries": 1, "minDelayTarget": 3600, "maxDelayTarget": 3600}}
    subscribe(own_cloud, arn, "http", server.url, DeliveryPolicy=json.dumps(slow))
    confirmed(own_cloud, server, until)
    own_cloud.client("sns").publish(TopicArn=arn, Message="m")
    until(lambda: [d["attempts"] for d in deliveries(own_cloud, arn)] == [1])
    pid = own_cloud.pid()
    os.kill(pid, signal.SIGKILL)
    until(lambda: "not running" in own_cloud.run("status", check=False).stdout)
    own_cloud.run("up")
    until(lambda: ended(own_cloud, arn))
    assert [json.loads(body)["Message"] for _, body in server.got] == ["m", "m"]
    assert deliveries(own_cloud, arn)[0]["result"] == "delivered"


def test_following_shows_what_comes(own_cloud: Any) -> None:
    own_cloud.run("up")
    arn = topic(own_cloud, "followed")
    subscribe(own_cloud, arn, "email", "on-call@example.test")
    command = [sys.executable, "-m", "localcloud", "alerts", "--follow", "--json"]
    with subprocess.Popen(
        [*command, "--endpoint", own_cloud.url, "--state-dir", str(own_cloud.state_dir)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ) as following:  # fmt: skip
        try:
            own_cloud.client("sns").publish(TopicArn=arn, Subject="now", Message="m")
            assert following.stdout is not None
            results = []
            while "delivered" not in results:
                entry = json.loads(following.stdout.readline())
                assert (entry["topic"], entry["subject"]) == (arn, "now")
                results.append(entry["result"])
        finally:
            following.terminate()
