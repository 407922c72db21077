"""The control plane's side: MiniStack's records of balancers, and what runs because of them.

Records are the truth; sockets and target groups follow them. A listener's socket is bound in the moment its
record is stored, so that a taken port fails the creation instead of surprising later.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from localcloud import outages, regions
from localcloud.balancer import records, tls
from localcloud.balancer.accesslog import AccessLog
from localcloud.balancer.http import HEAD_LIMIT
from localcloud.balancer.lookups import Lookups
from localcloud.balancer.proxy import Listener
from localcloud.balancer.sockets import BACKLOG, bind
from localcloud.balancer.targets import REASONS, Group
from localcloud.balancer.webacl import Guard, WebAclLog
from localcloud.rounds import Rounds

log = logging.getLogger("localcloud.balancer")

#: How often they are looked at when nobody told of a change, and while a listener waits for its port.
_SYNC_SECONDS, _RETRY_SECONDS = 10.0, 0.25


class _Running:
    """A listener's socket and server, and what of its record they cannot change any more."""

    def __init__(self, kind: tuple[str, int, str, str], bound: socket.socket) -> None:
        self.kind = kind
        self.place, self.protocol = kind[:2], kind[2]
        self.socket = bound
        self.server: asyncio.Server | None = None
        self.listener: Listener | None = None


class Balancer:
    """All listeners and target groups of this local cloud. Lives on the event loop."""

    def __init__(self, wrote: Callable[[], None]) -> None:
        self._observers: list[Callable[[], None]] = []
        #: Why a listener has no socket, by its ARN.
        self._problems: dict[str, str] = {}
        self._opening: set[asyncio.Task[None]] = set()
        #: Listeners that wait for the port of the one that they replace, which is still there, by their ARNs.
        self._heirs: dict[str, str] = {}
        self._replaced = ""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._running: dict[str, _Running] = {}
        self._groups: dict[str, Group] = {}
        self._access_log = AccessLog()
        self._web_acl_log = WebAclLog(wrote)
        #: Judges requests, and keeps samples of them.
        self.web_acls = Guard(records.ip_set, self._web_acl_log)
        self._rounds = Rounds("balancer", self._follow, _RETRY_SECONDS)
        self._lookups = Lookups()
        self.closing = False

    def observe(self, observer: Callable[[], None]) -> None:
        """Call `observer` whenever a target's health changes or a target has finished draining."""
        self._observers.append(observer)

    def _changed(self) -> None:
        for observer in self._observers:
            observer()

    # --- listeners ------------------------------------------------------------------------------------------

    def listener_stored(self, arn: str, record: dict[str, Any]) -> None:
        """Bind a new or changed listener's port; any thread.

        Raises PortTakenError, NoCertificateError, and ValueError for a protocol other than HTTP and HTTPS.
        """
        port, protocol = int(record["Port"]), record.get("Protocol", "HTTP")
        if protocol == "HTTPS":
            tls.check(record)
        elif protocol != "HTTP":
            raise ValueError(f"The local cloud has HTTP and HTTPS listeners, not {protocol}.")
        place = (regions.address(regions.of_arn(arn)), port)
        kind = (*place, protocol, str(record.get("SslPolicy", "")))
        old = self._running.get(arn)
        if old and old.kind == kind:
            return
        if old and old.place == place:
            # The same port cannot be bound twice, not even for a moment.
            self._close_now(self._running.pop(arn))
            old = None
        self._free(place)
        if (before := self._running.get(self._heirs.get(arn) or self._replaced)) and before.place == place:
            self._heirs.setdefault(arn, self._replaced)
            return
        self._heirs.pop(arn, None)
        self._running[arn] = running = _Running(kind, bind(*place))
        if old:
            self._loop.call_soon_threadsafe(self._close, old)
        self._loop.call_soon_threadsafe(self._open, arn, running)

    @contextmanager
    def replacing(self, arn: str) -> Iterator[None]:
        """A listener that is stored within this takes the port of the listener `arn` over, once that is gone.

        On AWS two load balancers have two addresses; here there is one, and the old one serves it until the
        update's cleanup deletes it.
        """
        self._replaced = arn
        try:
            yield
        finally:
            self._replaced = ""

    def _free(self, place: tuple[str, int]) -> None:
        """Let go of what only a listener without a record still holds: `sync` has not come by yet."""
        known = {key[2] for key, _ in records.alb()._listeners.all_items()}
        for arn in [arn for arn, r in self._running.items() if r.place == place and arn not in known]:
            self._close_now(self._running.pop(arn))

    def _close_now(self, running: _Running) -> None:
        """Close on the event loop, whatever thread this is, and return when it is done."""
        if threading.get_ident() == self._thread:
            self._close(running)
            return
        closed = threading.Event()

        def close() -> None:
            try:
                self._close(running)
            finally:
                closed.set()

        self._loop.call_soon_threadsafe(close)
        closed.wait(2)

    def _open(self, arn: str, running: _Running) -> None:
        opening = self._loop.create_task(self._serve(arn, running))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _serve(self, arn: str, running: _Running) -> None:
        if self._running.get(arn) is not running:
            return
        running.listener = Listener(
            self._lookups.of(records.listener_settings, arn),
            self.group,
            self._lookups.of(records.guard, arn),
            self.web_acls,
            self._access_log.ended,
        )
        secure = running.protocol == "HTTPS"
        context = tls.listening_context(lambda: records.listener(arn)) if secure else None
        try:
            # Known before it serves: closing a socket that the loop still watches would have it watch
            # whatever gets the same number next.
            running.server = await asyncio.start_server(
                running.listener.accept, sock=running.socket, limit=HEAD_LIMIT, backlog=BACKLOG, ssl=context,
                start_serving=False,
            )  # fmt: skip
            await running.server.start_serving()
        except (OSError, ValueError):
            log.exception("the listener on %s:%d could not be started", *running.place)
            if self._running.get(arn) is running:
                # `sync` tries again.
                self._close(self._running.pop(arn))
            return
        if self._running.get(arn) is not running:
            self._close(running)
            return
        log.info("listening on %s:%d (%s)", *running.place, running.protocol)

    def problems(self) -> list[str]:
        """Why listeners do not listen; empty when all do."""
        return list(self._problems.values())

    def problem(self, load_balancer: str) -> str:
        """Why a load balancer does not listen where it should; "" when it does."""
        listeners = records.alb()._listeners.all_items()
        mine = (key[2] for key, record in listeners if record["LoadBalancerArn"] == load_balancer)
        return next((self._problems[arn] for arn in mine if arn in self._problems), "")

    def _close(self, running: _Running) -> None:
        if running.server:
            running.server.close()
        running.socket.close()
        if running.listener:
            running.listener.close()

    # --- target groups --------------------------------------------------------------------------------------

    def group(self, arn: str) -> Group | None:
        """The target group at run time, None when there is no such record."""
        found = self._groups.get(arn)
        if found is None and records.group(arn) is not None:
            found = Group(arn, self._lookups.of(records.group_settings, arn), self._changed)
            self._groups[arn] = found
        return found

    def register(self, arn: str, address: str, port: int) -> None:
        """Add a target, as RegisterTargets does."""
        group = self.group(arn)
        if group is None:
            raise KeyError(arn)
        stored = records.alb()._targets.setdefault(arn, [])
        if not any(t["Id"] == address and int(t.get("Port", port)) == port for t in stored):
            stored.append({"Id": address, "Port": port})
        group.register(address, port)

    def deregister(self, arn: str, address: str, port: int) -> None:
        """Take a target out of rotation, as DeregisterTargets does; it drains."""
        alb = records.alb()
        alb._targets[arn] = [
            t for t in alb._targets.get(arn, []) if (t["Id"], int(t.get("Port", port))) != (address, port)
        ]
        if group := self.group(arn):
            group.deregister(address, port)

    def forget(self, arn: str) -> None:
        """Drop every recorded target of a group: after a restart none of a service's is alive."""
        records.alb()._targets[arn] = []
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

    def _follow(self) -> float:
        """Follow the records, which others write directly too; seconds until the next look."""
        self._lookups.changed()
        self.sync()
        return _RETRY_SECONDS if self._problems else _SYNC_SECONDS

    def wake(self) -> None:
        """Records may have changed: look at them soon, and before the next request. On the event loop."""
        self._lookups.changed()
        self._rounds.wake()

    def sync(self) -> None:
        """Open and close sockets and target groups as the records say."""
        alb = records.alb()
        stored_listeners = {key[2]: record for key, record in alb._listeners.all_items()}
        wanted = {
            arn: record
            for arn, record in stored_listeners.items()
            if not outages.REGIONS.left(regions.of_arn(arn))
        }
        for arn in [arn for arn in self._running if arn not in wanted]:
            self._close(self._running.pop(arn))
        for arn, record in wanted.items():
            try:
                self.listener_stored(arn, record)
                self._problems.pop(arn, None)
            except ValueError as exc:
                if self._problems.get(arn) != str(exc):
                    log.error("%s", exc)
                self._problems[arn] = str(exc)
        for waiting in (self._problems, self._heirs):
            for arn in waiting.keys() - stored_listeners.keys():
                del waiting[arn]
        groups = {key[2] for key, _ in alb._tgs.all_items()}
        for arn in [arn for arn in self._groups if arn not in groups]:
            self._groups.pop(arn).close()
        for lb in alb._lbs.all_values():
            lb["DNSName"] = regions.address(regions.of_arn(lb["LoadBalancerArn"]))
            # AWS's word for a balancer that could not be set up; its listeners are tried again all the time.
            lb["State"] = "failed" if self.problem(lb["LoadBalancerArn"]) else "active"
        for (_, arn), stored in list(alb._targets._data.items()):
            group = self.group(arn)
            for target in stored if group else []:
                key = (target["Id"], int(target.get("Port") or records.group_settings(arn)["Port"]))
                if group and key not in group.targets:
                    group.register(*key)

    def start(self) -> None:
        """Begin following the records."""
        self.sync()
        self._rounds.start()

    async def stop(self) -> None:
        """Close every socket; the records stay."""
        self.closing = True
        await self._rounds.stop()
        for running in self._running.values():
            self._close(running)
        for group in self._groups.values():
            group.close()
        self._web_acl_log.flush()
        await self._access_log.stop()
        self._running.clear()
        self._groups.clear()
