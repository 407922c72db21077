"""The data plane of one listener: takes its clients' connections and requests, and acts as its rules say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from localcloud.balancer.answers import act, answer
from localcloud.balancer.exchange import Exchange
from localcloud.balancer.http import PIECE, BadMessageError, Head, read_head
from localcloud.balancer.routing import Settings, actions_for, target_group
from localcloud.balancer.targets import Group
from localcloud.balancer.webacl import Judge

log = logging.getLogger("localcloud.balancer")

_LINGER_SECONDS = 2.0


class Listener:
    """Serves the connections of one listener's socket."""

    def __init__(
        self,
        settings: Callable[[], Settings | None],
        group: Callable[[str], Group | None],
        web_acl: Callable[[], dict[str, Any] | None],
        judge: Judge,
    ) -> None:
        self._settings = settings
        self._group = group
        self._web_acl = web_acl
        self._judge = judge
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
        try:
            settings = self._settings()
            while settings is not None:
                try:
                    async with asyncio.timeout(settings.idle_seconds):
                        head = await read_head(reader)
                except TimeoutError:
                    return
                except BadMessageError:
                    await answer(writer, 400, False, settings, False)
                    return
                # They may have changed while the connection was idle.
                settings = self._settings()
                if head is None or settings is None:
                    return
                if not await self._request(head, reader, writer, settings):
                    if head.length():
                        await _linger(reader, writer)
                    return
        except (ConnectionError, BadMessageError, TimeoutError):
            # The other side is gone, or broke off in the middle of a message: nothing can be said to it any
            # more.
            return
        except Exception:
            log.exception("a request could not be handled")
        finally:
            writer.close()

    async def _request(
        self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: Settings
    ) -> bool:
        """Handle one request; returns whether the connection can take another."""
        method, target, version = head.first
        is_head = method == b"HEAD"
        host = (head.get(b"host") or b"").decode("latin-1")
        try:
            length = head.length() or 0
            if version == b"HTTP/1.1" and sum(1 for name, _ in head.headers if name.lower() == b"host") != 1:
                raise BadMessageError("not exactly one Host")
        except BadMessageError:
            await answer(writer, 400, False, settings, is_head)
            return False
        keep = b"close" not in head.tokens(b"connection") and version == b"HTTP/1.1"
        peer = writer.get_extra_info("peername")
        client = str(peer[0] if peer else "127.0.0.1")
        acl = self._web_acl()
        if acl is not None and (refusal := self._judge.refusal(acl, head, client)):
            keep = keep and length == 0
            await answer(writer, refusal.status, keep, settings, is_head, refusal.body, refusal.headers)
            return keep
        actions = actions_for(settings.rules, head, client)
        action = actions[-1] if actions else {}
        if action.get("Type") == "forward":
            arn = target_group(action)
            group = self._group(arn) if arn else None
            return await Exchange(head, length, keep, reader, writer, settings).run(group)
        # Answered here; an unread body would be taken for the next request.
        keep = keep and length == 0
        await act(action, writer, keep, settings, is_head, target.decode("latin-1"), host)
        return keep


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read on for a moment: closing with unread bytes resets the connection, and the answer would be lost."""
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while await reader.read(PIECE):
                pass
