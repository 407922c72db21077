"""The control plane's side: MiniStack's records of balancers, and what runs because of them.

Records are the truth; sockets and target groups follow them. A listener's socket is bound in the moment its
record is stored, so that a taken port fails the creation instead of surprising later.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from localcloud import emulator
from localcloud.balancer.api import replace_handlers
from localcloud.balancer.http import HEAD_LIMIT
from localcloud.balancer.proxy import Listener
from localcloud.balancer.routing import Settings
from localcloud.balancer.sockets import PortTakenError, bind
from localcloud.balancer.targets import REASONS, Group

log = logging.getLogger("localcloud.balancer")

_SYNC_SECONDS = 0.25


class _Running:
    def __init__(self, port: int, bound: socket.socket) -> None:
        self.port = port
        self.socket = bound
        self.server: asyncio.Server | None = None
        self.listener: Listener | None = None


def _alb() -> Any:
    return emulator.module("services.alb")


class Balancer:
    """All listeners and target groups of this local cloud. Lives on the event loop."""

    def __init__(self) -> None:
        self._observers: list[Callable[[], None]] = []
        self._complained: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._running: dict[str, _Running] = {}
        self._groups: dict[str, Group] = {}
        self._watch: asyncio.Task[None] | None = None
        self.closing = False

    def observe(self, observer: Callable[[], None]) -> None:
        """Call `observer` whenever a target's health changes or a target has finished draining."""
        self._observers.append(observer)

    def _changed(self) -> None:
        for observer in self._observers:
            observer()

    # --- listeners ------------------------------------------------------------------------------------------

    def listener_stored(self, arn: str, record: dict[str, Any]) -> None:
        """Bind a new listener's port; any thread. Raises PortTakenError."""
        if record.get("Protocol", "HTTP") != "HTTP":
            raise PortTakenError(
                f"The local cloud serves HTTP listeners only so far, not {record['Protocol']}."
            )
        port = int(record["Port"])
        if arn in self._running and self._running[arn].port == port:
            return
        old = self._running.get(arn)
        self._running[arn] = _Running(port, bind(port))
        if old:
            self._loop.call_soon_threadsafe(self._close, old)
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._serve(arn)))

    async def _serve(self, arn: str) -> None:
        running = self._running.get(arn)
        if running is None or running.server is not None:
            return
        running.listener = Listener(lambda: self._settings(arn), self.group)
        running.server = await asyncio.start_server(
            running.listener.accept, sock=running.socket, limit=HEAD_LIMIT
        )
        log.info("listening on 127.0.0.1:%d", running.port)

    def _close(self, running: _Running) -> None:
        if running.server:
            running.server.close()
        running.socket.close()
        if running.listener:
            running.listener.close()

    def _settings(self, arn: str) -> Settings | None:
        alb = _alb()
        record = next((record for key, record in alb._listeners.all_items() if key[2] == arn), None)
        if record is None:
            return None
        rules = [rule for rule in alb._rules.all_values() if rule.get("ListenerArn") == arn]
        of_lb = _attributes(alb._lb_attrs, record["LoadBalancerArn"])
        own = _attributes(alb._listener_attrs, arn)
        return Settings(
            port=int(record["Port"]),
            protocol=record.get("Protocol", "HTTP"),
            rules=rules,
            idle_seconds=float(of_lb.get("idle_timeout.timeout_seconds", 60)),
            drop_invalid_headers=of_lb.get("routing.http.drop_invalid_header_fields.enabled") == "true",
            server_header=own.get("routing.http.response.server.enabled", "true") == "true",
        )

    # --- target groups --------------------------------------------------------------------------------------

    def group(self, arn: str) -> Group | None:
        """The target group at run time, None when there is no such record."""
        found = self._groups.get(arn)
        if found is None and self.record(arn) is not None:
            found = self._groups[arn] = Group(arn, lambda: self._group_settings(arn), self._changed)
        return found

    def record(self, arn: str) -> dict[str, Any] | None:
        """MiniStack's record of a target group."""
        for key, record in _alb()._tgs.all_items():
            if key[2] == arn:
                found: dict[str, Any] = record
                return found
        return None

    def _group_settings(self, arn: str) -> dict[str, Any]:
        return {**(self.record(arn) or {}), **_attributes(_alb()._tg_attrs, arn)}

    def in_use(self, arn: str) -> bool:
        """Whether a listener or rule forwards to the target group."""
        alb = _alb()
        for rule in alb._rules.all_values():
            for action in rule.get("Actions", []):
                groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
                if action.get("TargetGroupArn") == arn or any(g.get("TargetGroupArn") == arn for g in groups):
                    return True
        return False

    def register(self, arn: str, address: str, port: int) -> None:
        """Add a target, as RegisterTargets does."""
        group = self.group(arn)
        if group is None:
            raise KeyError(arn)
        stored = _alb()._targets.setdefault(arn, [])
        if not any(t["Id"] == address and int(t.get("Port", port)) == port for t in stored):
            stored.append({"Id": address, "Port": port})
        group.register(address, port)

    def deregister(self, arn: str, address: str, port: int) -> None:
        """Take a target out of rotation, as DeregisterTargets does; it drains."""
        alb = _alb()
        alb._targets[arn] = [
            t for t in alb._targets.get(arn, []) if (t["Id"], int(t.get("Port", port))) != (address, port)
        ]
        if group := self.group(arn):
            group.deregister(address, port)

    def forget(self, arn: str) -> None:
        """Drop every recorded target of a group: after a restart none of a service's is alive."""
        _alb()._targets[arn] = []
        if arn in self._groups:
            self._groups.pop(arn).close()

    def health(self, arn: str, address: str, port: int) -> tuple[str, str]:
        """AWS's state and description of one target; `unused` when it is not registered (any more)."""
        group = self._groups.get(arn)
        target = group.targets.get((address, port)) if group else None
        if target is None:
            return "unused", REASONS["Target.NotRegistered"]
        return target.state, target.describe()

    # --- keeping both in step -------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Follow the records for as long as this runs: other code of the emulator writes them directly."""
        while True:
            try:
                self.sync()
            except (KeyError, TypeError, ValueError):
                log.exception("the load balancers' records could not be followed")
            await asyncio.sleep(_SYNC_SECONDS)

    def sync(self) -> None:
        """Open and close sockets and target groups as the records say."""
        alb = _alb()
        records = {key[2]: record for key, record in alb._listeners.all_items()}
        for arn in [arn for arn in self._running if arn not in records]:
            self._close(self._running.pop(arn))
        for arn, record in records.items():
            if arn not in self._running or self._running[arn].port != int(record["Port"]):
                try:
                    self.listener_stored(arn, record)
                except PortTakenError as exc:
                    if arn not in self._complained:
                        log.error("%s", exc)
                    self._complained.add(arn)
        groups = {key[2] for key, _ in alb._tgs.all_items()}
        for arn in [arn for arn in self._groups if arn not in groups]:
            self._groups.pop(arn).close()
        for lb in alb._lbs.all_values():
            lb["DNSName"] = "127.0.0.1"
        for (_, arn), stored in list(alb._targets._data.items()):
            group = self.group(arn)
            for target in stored if group else []:
                key = (target["Id"], int(target.get("Port") or self._group_settings(arn)["Port"]))
                if group and key not in group.targets:
                    group.register(*key)

    def start(self) -> None:
        """Begin following the records."""
        self.sync()
        self._watch = self._loop.create_task(self.watch(), name="balancer")

    async def stop(self) -> None:
        """Close every socket; the records stay."""
        self.closing = True
        if self._watch:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        for running in self._running.values():
            self._close(running)
        for group in self._groups.values():
            group.close()
        self._running.clear()
        self._groups.clear()


def _attributes(store: Any, arn: str) -> dict[str, str]:
    for (_, key), attributes in list(store._data.items()):
        if key == arn:
            return {a["Key"]: str(a["Value"]) for a in attributes}
    return {}


_current: Balancer | None = None


def current() -> Balancer:
    """The installed balancer. Raises RuntimeError before `install`."""
    if _current is None:
        raise RuntimeError("the balancer is not installed")
    return _current


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[[], None]) -> None:
    """Take MiniStack's load balancers over; on the event loop, before the saved state is loaded.

    `changed` is called whenever the records changed by themselves.
    """
    del state_dir, gateway_url, cloud_id, changed
    global _current
    alb = _alb()
    responses = emulator.module("core.responses")
    base = responses.AccountRegionScopedDict
    balancer = _current = Balancer()

    class Listeners(base):  # type: ignore[misc, valid-type]
        __slots__ = ()

        def __setitem__(self, key: str, value: dict[str, Any]) -> None:
            if _current is balancer and not balancer.closing:
                balancer.listener_stored(key, value)
            super().__setitem__(key, value)

    listeners = Listeners()
    listeners.update(alb._listeners)
    alb._listeners = listeners
    # `describe` and the balancer's own listings must name the address that answers.
    replace_handlers(alb, balancer)


async def start() -> None:
    """Open the listeners there are records of, and check their targets."""
    current().start()


def sweep(state_dir: Path, cloud_id: str) -> None:
    """Nothing: sockets end with their process."""
    del state_dir, cloud_id


async def stop() -> None:
    """Close what `install` opened."""
    global _current
    if _current is not None:
        await _current.stop()
        _current = None
