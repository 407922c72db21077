"""The data plane of one listener: takes its clients' connections and requests, and acts as its rules say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from localcloud.balancer.answers import act, answer
from localcloud.balancer.body import Body, BodyError
from localcloud.balancer.exchange import Exchange
from localcloud.balancer.http import PIECE, BadMessageError, Head, read_head
from localcloud.balancer.routing import Settings, rule_for, target_group
from localcloud.balancer.targets import Group
from localcloud.balancer.turn import Turn
from localcloud.balancer.webacl import BODY_LIMIT, Guard, Refusal, Request
from localcloud.metrics import counters

log = logging.getLogger("localcloud.balancer")

_LINGER_SECONDS = 2.0
#: More addresses in X-Forwarded-For are refused, as on AWS.
_MOST_FORWARDED = 30


class Listener:
    """Serves the connections of one listener's socket; `ended` gets every request that was answered."""

    def __init__(
        self,
        settings: Callable[[], Settings | None],
        group: Callable[[str], Group | None],
        web_acl: Callable[[], dict[str, Any] | None],
        guard: Guard,
        ended: Callable[[Turn], None] = Turn.count,
    ) -> None:
        self._settings = settings
        self._group = group
        self._web_acl = web_acl
        self._guard = guard
        self._ended = ended
        self._connections: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Callback of asyncio.start_server."""
        task = asyncio.get_running_loop().create_task(self._client(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    def close(self) -> None:
        """End every connection."""
        for task in self._connections:
            task.cancel()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        balancer = ""
        try:
            if settings := self._settings():
                balancer = settings.load_balancer
                counters.connection(balancer, opened=True)
            while settings is not None:
                try:
                    async with asyncio.timeout(settings.idle_seconds):
                        head = await read_head(reader)
                except TimeoutError:
                    return
                except BadMessageError as exc:
                    await self._turn(exc, reader, writer, settings)
                    return
                # They may have changed while the connection was idle.
                settings = self._settings()
                if head is None or settings is None:
                    return
                if not await self._turn(head, reader, writer, settings):
                    if (head.get(b"content-length") or b"0") != b"0" or head.get(b"transfer-encoding"):
                        await _linger(reader, writer)
                    return
        except (ConnectionError, BadMessageError, TimeoutError):
            # The other side is gone, or broke off in the middle of a message: nothing can be said to it any
            # more.
            return
        except Exception:
            log.exception("a request could not be handled")
        finally:
            if balancer:
                counters.connection(balancer, opened=False)
            writer.close()

    async def _turn(
        self,
        head: Head | BadMessageError,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settings: Settings,
    ) -> bool:
        """Handle one request and note it; returns whether the connection can take another.

        `head` may also be why there is none.
        """
        peer, cipher = writer.get_extra_info("peername"), writer.get_extra_info("cipher")
        client = (str(peer[0]), int(peer[1])) if peer else ("127.0.0.1", 0)
        known = None if isinstance(head, BadMessageError) else head
        turn = Turn(settings, client, known, cipher[:2] if cipher else None)
        try:
            if isinstance(head, BadMessageError):
                raise head
            return await self._request(turn, head, reader, writer)
        except BadMessageError as exc:
            if turn.status:
                raise
            if exc.reason != "-":
                turn.classification = ("Ambiguous", exc.reason)
            await answer(writer, turn, exc.status, keep=False)
            return False
        finally:
            if turn.status:
                self._ended(turn)

    async def _request(
        self, turn: Turn, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Handle one request; returns whether the connection can take another. Raises BadMessageError."""
        settings = turn.settings
        _, target, version = head.first
        length = _checked(head, settings.strictest)
        keep = b"close" not in head.tokens(b"connection") and version == b"HTTP/1.1"
        body = Body(reader, length, settings.idle_seconds)
        try:
            acl = self._web_acl()
            if acl is not None and (refusal := await self._refusal(acl, turn, head, body, writer)):
                keep = keep and body.complete
                await answer(writer, turn, refusal.status, keep, refusal.body, refusal.headers)
                return keep
            rule = rule_for(settings.rules, head, turn.client[0])
            turn.priority = "0" if rule.get("IsDefault") else str(rule.get("Priority", "-"))
            action = (rule.get("Actions") or [{}])[-1]
            if action:
                turn.actions.append(action["Type"])
            if action.get("Type") == "forward":
                turn.group = target_group(action) or ""
                group = self._group(turn.group) if turn.group else None
                return await Exchange(turn, head, body, keep, reader, writer).run(group)
            # Answered here; an unread body would be taken for the next request.
            keep = keep and body.complete
            host = (head.get(b"host") or b"").decode("latin-1")
            await act(action, writer, turn, keep, target.decode("latin-1"), host)
            return keep
        finally:
            turn.received += head.size + body.received

    async def _refusal(
        self, acl: dict[str, Any], turn: Turn, head: Head, body: Body, writer: asyncio.StreamWriter
    ) -> Refusal | None:
        """Why the web ACL lets a request not pass, None when it does.

        What it sees of a body is read first. Raises BadMessageError when that cannot be had.
        """
        turn.actions.append("waf")
        if not body.complete and self._guard.reads_bodies(acl):
            if not body.arrived and b"100-continue" in head.tokens(b"expect"):
                # The client waits for it before it sends what is to be looked at.
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body.invited = True
            try:
                await body.peek(BODY_LIMIT)
            except BodyError as exc:
                raise BadMessageError("the body cannot be had", status=exc.status) from exc
        seen = body.seen[:BODY_LIMIT]
        oversize = len(body.seen) > BODY_LIMIT or not body.complete
        source = turn.settings.load_balancer.split(":loadbalancer/")
        account = source[0].rpartition(":")[2]
        request = Request(head, turn.client[0], seen, oversize, f"{account}-{source[-1]}")
        return self._guard.refusal(acl, request)


def _checked(head: Head, strictest: bool) -> int:
    """Length of a request's body; refuses what AWS refuses. Raises BadMessageError."""
    method, _, version = head.first
    length = head.length()
    forwarded = sum(value.count(b",") + 1 for value in head.values(b"x-forwarded-for"))
    if version == b"HTTP/1.1" and len(head.values(b"host")) != 1:
        raise BadMessageError("not exactly one Host")
    if method == b"TRACE":
        raise BadMessageError("TRACE is not allowed", status=405)
    if strictest and length is not None and method in (b"GET", b"HEAD"):
        reason = "GetHeadZeroContentLength" if length == 0 else "UndefinedContentLengthSemantics"
        raise BadMessageError("GET or HEAD says a length", reason)
    if forwarded > _MOST_FORWARDED:
        raise BadMessageError("too many addresses in X-Forwarded-For", status=463)
    return length or 0


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read on for a moment: closing with unread bytes resets the connection, and the answer would be lost."""
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while await reader.read(PIECE):
                pass
