"""The running half of Application Auto Scaling: one loop that sleeps until something is due."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from localcloud import emulator, metrics, speed
from localcloud.rounds import Rounds
from localcloud.scaling import activities, alarms, deciding, schedule, targets
from localcloud.scaling.records import STORE, Record, where

log = logging.getLogger("localcloud.scaling")

#: How soon a service that follows a new count is looked at again, in real seconds.
_SETTLE_SECONDS = 0.5


class Scaler:
    """Acts on alarms as they change and each minute that they last, and on schedules when they are due."""

    def __init__(self, changed: Callable[..., None]) -> None:
        self._changed = changed
        self.rounds = Rounds("scaling", self._step)
        self._alarmed: set[str] = set()
        #: When each target's alarms are acted on the next time: an action repeats each minute, as on AWS.
        self._next: dict[str, float] = {}

    def on_alarm(self, alarm: Record, old: str, new: str, reason: str) -> None:
        """An alarm changed its state; called with its account and region set."""
        del old, new, reason
        actions = {*(alarm.get("AlarmActions") or []), *(alarm.get("OKActions") or []),
                   *(alarm.get("InsufficientDataActions") or [])}  # fmt: skip
        for name, policy in STORE.policies.items():
            if policy["PolicyARN"] in actions:
                self._alarmed.add(name.rpartition("|")[0])
                self.rounds.wake()

    def _step(self) -> float | None:
        """Do what is due; the seconds until more may be, None when nothing will be."""
        waits = []
        alarmed, self._alarmed = self._alarmed, set()
        for key, target in list(STORE.targets.items()):
            with emulator.module("core.responses").request_scope(*where(target)):
                try:
                    waits += self._target(key, target, key in alarmed)
                except Exception:
                    # One bad target must not hold up the others.
                    log.exception("scalable target %s", key)
        self._next = {key: at for key, at in self._next.items() if key in STORE.targets}
        return min(waits) if waits else None

    def _target(self, key: str, target: Record, alarmed: bool) -> list[float]:
        waits: list[float] = []
        before = [activity["ActivityId"] for activity in STORE.activities.get(key, [])[:1]]
        settled = activities.settle(key, targets.service(target))
        due = _run_schedule(key, target)
        if due is not None:
            waits.append((due - schedule.now()) / speed.factor())
        if STORE.of_target(STORE.policies, key):
            if alarmed or time.monotonic() >= self._next.get(key, 0.0):
                self._next[key] = time.monotonic() + speed.minutes(1)
                deciding.act(key)
            waits.append(self._next[key] - time.monotonic())
        kept = STORE.activities.get(key, [])
        if any(activity["StatusCode"] == "InProgress" for activity in kept):
            waits.append(_SETTLE_SECONDS)
        if settled or before != [activity["ActivityId"] for activity in kept[:1]]:
            self._changed()
        return waits


def _run_schedule(key: str, target: Record) -> float | None:
    """Run the target's scheduled actions that are due; when the next will be, on the schedule's clock.

    Of what was due while the local cloud was down, only the last time of each action counts.
    """
    now = schedule.now()
    actions = STORE.of_target(STORE.actions, key).values()
    due = [
        (at, action)
        for action in actions
        if (at := schedule.last_due(action, action["_from"], now)) is not None
    ]
    for _, action in sorted(due, key=lambda found: (found[0], found[1]["ScheduledActionName"])):
        _run(key, target, action)
        action["_from"] = now
    coming = [at for action in actions if (at := schedule.next_due(action, action["_from"])) is not None]
    return min(coming, default=None)


def _run(key: str, target: Record, action: Record) -> None:
    if target["SuspendedState"]["ScheduledScalingSuspended"]:
        return
    wanted, name = action["ScalableTargetAction"], action["ScheduledActionName"]
    least = int(wanted.get("MinCapacity", target["MinCapacity"]))
    most = int(wanted.get("MaxCapacity", target["MaxCapacity"]))
    if least > most:
        what = f"Setting min capacity to {least} and max capacity to {most}"
        cause = f"scheduled action name {name} was triggered"
        activities.failed(key, what, cause, "Maximum capacity cannot be less than minimum capacity")
        return
    target.update(MinCapacity=least, MaxCapacity=most)
    activities.bounds(key, name, least, most)
    targets.bring_within(key, target)


_scaler: Scaler | None = None


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[..., None]) -> None:
    """Prepare; on the event loop. `changed()` is called after something was scaled."""
    del state_dir, gateway_url, cloud_id
    global _scaler
    _scaler = Scaler(changed)
    metrics.subscribe(_scaler.on_alarm)


async def start() -> None:
    """Begin to scale, with what was saved; what was due meanwhile is due now."""
    if _scaler is None:
        raise RuntimeError("scaling.install comes first")
    for action in STORE.actions.values():
        # The schedule's clock may have been ahead of the real time that it begins at again.
        for name in ("_base", "_from"):
            action[name] = min(action.get(name, schedule.now()), schedule.now())
    for key, target in STORE.targets.items():
        with emulator.module("core.responses").request_scope(*where(target)):
            for policy in STORE.of_target(STORE.policies, key).values():
                # An earlier version kept policies without making their alarms.
                if policy["PolicyType"] == "TargetTrackingScaling" and not alarms.made(policy):
                    policy["Alarms"] = alarms.put(policy)
    _scaler.rounds.start()


async def stop() -> None:
    """End the loop; nothing scales any more."""
    global _scaler
    if _scaler is not None:
        await _scaler.rounds.stop()
        _scaler = None


def kick() -> None:
    """The API changed something."""
    if _scaler is not None:
        _scaler.rounds.wake()
