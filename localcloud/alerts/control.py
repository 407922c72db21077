"""SNS's deliveries in place of MiniStack's, which reach for the network and only log what they do not do."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from localcloud import emulator
from localcloud.alerts import alarms, mail, post
from localcloud.alerts.envelope import Signer, alarm_of, headers, now
from localcloud.alerts.journal import JOURNAL, AlarmChange, Delivery
from localcloud.dns.names import NotLocalError
from localcloud.metrics.store import STORE
from localcloud.threads import in_thread

log = logging.getLogger("localcloud.alerts")

Record = dict[str, Any]


class Alerts:
    """Everything on its way to subscriptions. Lives on the event loop."""

    def __init__(self, state_dir: Path, gateway_url: str, changed: Callable[[], None]) -> None:
        self._mail = state_dir / "mail"
        self._authority = state_dir / "certificates" / "authority.pem"
        self.signer = Signer(state_dir / "certificates", gateway_url)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._under_way: set[asyncio.Task[None]] = set()
        self.changed = changed
        JOURNAL.changed = changed
        JOURNAL.ended = _count

    def on_loop(self, call: Callable[[], None]) -> None:
        """Call at once on the event loop's thread, soon from any other."""
        if threading.get_ident() == self._thread:
            call()
        else:
            self._loop.call_soon_threadsafe(call)

    # --- what is to be delivered ----------------------------------------------------------------------------

    def fan_out(
        self, topic_arn: str, message_id: str, message: str, subject: str, message_structure: str = "",
        message_attributes: Record | None = None, message_group_id: str = "", message_dedup_id: str = "",
    ) -> None:  # fmt: skip
        """Deliver a message to every subscription whose filter lets it through; MiniStack's signature."""
        topic = _topic(topic_arn)
        if topic is None:
            return
        attributes = message_attributes or {}
        sns = emulator.module("services.sns")
        stamp = now()
        for subscription in topic["subscriptions"]:
            own = sns._resolve_message_for_protocol(message, message_structure, subscription["protocol"])
            if not sns._matches_filter_policy(subscription, attributes, own):
                continue
            delivery = _delivery(topic, subscription, message_id, stamp, subject, alarm_of(own))
            delivery.waiting = {"message": own, "attributes": attributes, "group": message_group_id,
                                "deduplication": message_dedup_id}  # fmt: skip
            self.on_loop(partial(self._add, delivery))
        if not topic["subscriptions"]:
            nobody = Delivery(stamp, message_id, topic_arn, subject, "", "", "", alarm_of(message))
            nobody.result, nobody.because = "not delivered", "the topic has no subscriptions"
            self.on_loop(lambda: JOURNAL.add(nobody))

    def confirm(self, topic_arn: str, subscription: Record) -> None:
        """Ask an http or https endpoint to confirm its subscription."""
        topic = _topic(topic_arn)
        if topic is not None:
            message_id = str(emulator.module("core.responses").new_uuid())
            delivery = _delivery(topic, subscription, message_id, now(), "Subscription confirmation", None)
            delivery.waiting = {"confirmation": True}
            self.on_loop(lambda: self._add(delivery))

    def _add(self, delivery: Delivery) -> None:
        JOURNAL.add(delivery)
        self.begin(delivery)

    def begin(self, delivery: Delivery) -> None:
        """Go about a pending delivery."""
        task = self._loop.create_task(self._deliver(delivery), name=f"sns-{delivery.message_id}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def stop(self) -> None:
        """Leave what is pending to the next start."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    # --- delivering -----------------------------------------------------------------------------------------

    async def _deliver(self, delivery: Delivery) -> None:
        topic = _topic(delivery.topic)
        found = (topic or {}).get("subscriptions", [])
        subscription = next((s for s in found if s["arn"] == delivery.subscription), None)
        try:
            if topic is None or subscription is None:
                JOURNAL.end(delivery, "not delivered", "the subscription is gone")
            elif not subscription["confirmed"] and "confirmation" not in delivery.waiting:
                JOURNAL.end(
                    delivery, "not delivered", "the subscription has not been confirmed by its endpoint"
                )
            elif delivery.protocol in ("email", "email-json"):
                await self._write(delivery, topic, subscription)
            elif delivery.protocol in ("http", "https"):
                await self._post(delivery, topic, subscription)
            elif delivery.protocol == "sqs":
                await self._queue(delivery, topic, subscription)
            else:
                JOURNAL.end(delivery, "not delivered", f"the local cloud has no {delivery.protocol}")
        except Exception as exc:
            log.exception("message %s to %s", delivery.message_id, delivery.endpoint)
            JOURNAL.end(delivery, "failed", f"{type(exc).__name__}: {exc}")

    def _document(self, delivery: Delivery, topic: Record, subscription: Record) -> Record:
        if "confirmation" in delivery.waiting:
            return self.signer.confirmation(topic, subscription, delivery.message_id)
        return self.signer.notification(
            topic, subscription, delivery.message_id, delivery.waiting["message"], delivery.subject,
            delivery.waiting["attributes"], delivery.time,
        )  # fmt: skip

    async def _write(self, delivery: Delivery, topic: Record, subscription: Record) -> None:
        document = await asyncio.to_thread(self._document, delivery, topic, subscription)
        try:
            path = mail.write(self._mail, delivery.protocol, delivery.endpoint, subscription, document)
        except (OSError, ValueError) as exc:
            JOURNAL.end(delivery, "failed", f"the mail could not be written: {exc}")
            return
        delivery.attempts, delivery.file = 1, str(path)
        JOURNAL.end(delivery, "delivered")

    async def _queue(self, delivery: Delivery, topic: Record, subscription: Record) -> None:
        sns, waiting = emulator.module("services.sns"), delivery.waiting
        raw = subscription["attributes"].get("RawMessageDelivery") == "true"
        document = await asyncio.to_thread(self._document, delivery, topic, subscription)
        _, _, _, region, account, _ = delivery.topic.split(":", 5)
        with emulator.module("core.responses").request_scope(account, region):
            if emulator.module("services.sqs")._queue_by_arn(delivery.endpoint) is None:
                JOURNAL.end(delivery, "failed", "there is no such queue")
                return
            sns._deliver_to_sqs(
                delivery.endpoint, json.dumps(document), raw, waiting["message"],
                message_group_id=waiting["group"], message_dedup_id=waiting["deduplication"],
                message_attributes=waiting["attributes"], topic_arn=delivery.topic,
            )  # fmt: skip
        delivery.attempts = 1
        JOURNAL.end(delivery, "delivered")

    async def _post(self, delivery: Delivery, topic: Record, subscription: Record) -> None:
        try:
            address = post.target(delivery.endpoint, delivery.protocol)
            waits = list(post.waits(post.policy(topic, subscription)))
        except (NotLocalError, ValueError) as exc:
            JOURNAL.end(delivery, "not delivered", str(exc))
            return
        document = await asyncio.to_thread(self._document, delivery, topic, subscription)
        raw = "message" in delivery.waiting and subscription["attributes"].get("RawMessageDelivery") == "true"
        body = str(document["Message"]) if raw else json.dumps(document, indent=2)
        head = headers(document, delivery.subscription, raw)
        while True:
            try:
                await in_thread(lambda: post.send(address, delivery.endpoint, head, body, self._authority))
            except post.RefusedError as exc:
                delivery.attempts += 1
                if exc.final or delivery.attempts > len(waits):
                    JOURNAL.end(delivery, "failed", str(exc))
                    return
                delivery.because = f"{exc}; it is tried again"
                JOURNAL.changed()
                await asyncio.sleep(waits[delivery.attempts - 1])
            else:
                delivery.attempts += 1
                JOURNAL.end(delivery, "delivered")
                return


def _topic(arn: str) -> Record | None:
    parts = arn.split(":")
    if len(parts) != 6:
        return None
    found: Record | None = emulator.module("services.sns")._topics.get_scoped(parts[4], parts[3], arn)
    return found


def _count(delivery: Delivery) -> None:
    """Publish the metric that tells of a delivery's end, where its topic is."""
    name = (
        "NumberOfNotificationsDelivered" if delivery.result == "delivered" else "NumberOfNotificationsFailed"
    )
    _, _, _, region, account, topic = delivery.topic.split(":", 5)
    with emulator.module("core.responses").request_scope(account, region):
        STORE.metric("AWS/SNS", name, {"TopicName": topic}, "Count").at(time.time()).add(1)


def _delivery(
    topic: Record, subscription: Record, message_id: str, stamp: str, subject: str, alarm: AlarmChange | None
) -> Delivery:
    return Delivery(
        stamp, message_id, topic["arn"], subject, subscription["protocol"], subscription["endpoint"],
        subscription["arn"], alarm,
    )  # fmt: skip


_current: Alerts | None = None


def current() -> Alerts:
    """What is installed. Raises RuntimeError before `install`."""
    if _current is None:
        raise RuntimeError("the alerts are not installed")
    return _current


def certificate() -> bytes:
    """The certificate, in PEM, that SNS's signatures are checked with."""
    return current().signer.certificate()


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[[], None]) -> None:
    """Take deliveries, confirmations and alarm actions over; before the saved state is loaded."""
    del cloud_id
    global _current
    current = _current = Alerts(state_dir, gateway_url, changed)
    sns = emulator.module("services.sns")

    async def confirming(topic_arn: str, subscription: Record) -> None:
        current.confirm(topic_arn, subscription)

    def saved(handler: Callable[[Record], Any]) -> Callable[[Record], Any]:
        """Links are followed with GET, which alone does not count as a change."""

        def handling(params: Record) -> Any:
            answer = handler(params)
            current.on_loop(current.changed)
            return answer

        return handling

    sns._fanout = current.fan_out
    sns._send_subscription_confirmation = confirming
    sns._confirm_subscription = saved(sns._confirm_subscription)
    sns._unsubscribe = saved(sns._unsubscribe)
    emulator.module("services.cloudwatch")._dispatch_alarm_actions = alarms.publish


async def start() -> None:
    """Go on with what was pending when the last process ended."""
    for delivery in [d for d in JOURNAL.deliveries if d.result == "pending"]:
        current().begin(delivery)


async def stop() -> None:
    """Stop delivering; what is pending stays so."""
    global _current
    if _current is not None:
        await _current.stop()
        _current = None
