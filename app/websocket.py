"""`GET /ws`: every message comes back.

The handshake is an HTTP request like any other, with its refusals; after it the connection belongs to a
`Session`, which works in the callbacks of the transport, without a task.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.bodies import Bodies
from app.connection import frames
from app.gate import Gate, bearer
from app.http import BODY_LIMIT, CONNECTION, Request, Response, other_method
from app.origins import same_origin
from app.problems import Problem, retry_later, unauthorized
from app.settings import Settings

if TYPE_CHECKING:
    from app.lifecycle import Lifecycle

log = logging.getLogger("app.websocket")

MESSAGE_LIMIT = BODY_LIMIT
"""Largest message in bytes, as large as a body may be."""


SUBPROTOCOL = "echo-room"
_TOKEN_SUBPROTOCOL = "echo-room.token."  # noqa: S105 - followed by the token itself
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# How long a client has to answer a close frame, or a ping.
_CLOSE_SECONDS, _PONG_SECONDS = 5.0, 20.0
_RECHECK_SECONDS = 1.0


class Session:
    """One WebSocket. `ended` is set once nothing more will be sent; `code` is the close code by then."""

    def __init__(
        self,
        request: Request,
        token: str,
        gate: Gate,
        bodies: Bodies,
        settings: Settings,
        on_end: Callable[[Session], None],
    ) -> None:
        self.request = request
        self.held = 0  # bytes of an unfinished message that were counted
        self.code = frames.ABNORMAL
        self.messages = self.received = self.sent = 0
        self.ended = asyncio.Event()
        self.started = asyncio.get_running_loop().time()
        self._token = token
        self._gate = gate
        self._bodies = bodies
        self._idle_seconds = settings.ws_idle_seconds
        self._ping_seconds = settings.ws_ping_seconds
        self._on_end = on_end
        self._parser = frames.FrameParser(MESSAGE_LIMIT)
        self._transport: Any = None
        self._check: asyncio.Task[None] | None = None
        self._closing = False  # a close frame was sent
        self._deaf = False  # what comes now cannot be understood, or is of no interest
        self._deadline = math.inf
        self._idle_at = self.started + self._idle_seconds
        self._ping_at = self.started + self._ping_seconds
        self._recheck_at = self.started + _RECHECK_SECONDS

    def attach(self, transport: asyncio.Transport) -> None:
        """Take over the connection."""
        self._transport = transport

    def feed(self, data: bytes) -> None:
        """Answer what has arrived."""
        if self._deaf:
            return
        now = asyncio.get_running_loop().time()
        self._ping_at = now + self._ping_seconds
        if not self._closing:
            self._deadline = math.inf
        try:
            for opcode, payload in self._parser.feed(data):
                self._handle(opcode, payload, now)
                if self._deaf:
                    return
            if self._parser.held != self.held:
                self._bodies.hold(self, self._parser.held - self.held)
        except frames.FrameError as error:
            self._deaf = True
            self.close(error.code, error.reason)
            self._end()
        except Problem:
            self._deaf = True
            self.close(frames.TRY_AGAIN_LATER, "too much is being received")
            self._end()

    def _handle(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == frames.CLOSE:
            code = frames.close_code(payload)
            self._deaf = True
            if not self._closing:
                self.close(code)
            self._end()
        elif self._closing or opcode == frames.PONG:
            return  # after a close frame nothing may be sent
        else:
            self._idle_at = now + self._idle_seconds
            left, _ = self._gate.limits.token.take(self.request.token_id)
            metrics = self._gate.metrics
            if left < 0:
                metrics.numbers[metrics.throttled_at["token"]] += 1
                self.close(frames.TRY_AGAIN_LATER, "too many messages")
                return
            if opcode == frames.PING:
                self._transport.write(frames.encode(frames.PONG, payload))
                return
            self.received += len(payload)
            self._transport.write(frames.encode(opcode, payload))
            self.messages += 1
            metrics.numbers[metrics.messages] += 1
            self.sent += len(payload)

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, once; the client has a few seconds to answer it."""
        if self._closing:
            return
        self._closing = True
        self.code = code
        self._deadline = asyncio.get_running_loop().time() + _CLOSE_SECONDS
        self._transport.write(frames.encode_close(code, reason))

    def lost(self) -> None:
        """The connection is gone."""
        self._deaf = True
        self._end()

    def sweep(self, now: float, *, draining: bool) -> None:
        """Act on what is due; `now` is the loop's time."""
        if now >= self._deadline:  # no answer to a close frame or to a ping
            self._deaf = True
            self._end()
        elif self._closing:
            return
        elif draining:
            self.close(frames.GOING_AWAY, "the server is shutting down")
        elif now >= self._idle_at:
            self.close(frames.NORMAL, "idle")
        elif now >= self._recheck_at:
            self._recheck_at = now + _RECHECK_SECONDS
            if self._gate.verifier.cached(self._token) is None and self._check is None:
                self._check = asyncio.get_running_loop().create_task(self._verify())
        elif now >= self._ping_at:
            self._ping_at = now + self._ping_seconds
            self._deadline = now + _PONG_SECONDS
            self._transport.write(frames.encode(frames.PING, b""))

    async def _verify(self) -> None:
        """Ask again whether the token is good: a socket must not outlive it."""
        try:
            await self._gate.verifier.verify(self._token)
        except Problem as refusal:
            if refusal.status == 401:
                self.close(frames.POLICY_VIOLATION, "the token has expired or was revoked")
            else:
                self.close(frames.TRY_AGAIN_LATER, "the token cannot be verified")
        except Exception:
            log.exception("fault while a token was verified again (request %s)", self.request.request_id)
            self.close(1011)
        finally:
            self._check = None

    def _end(self) -> None:
        if not self.ended.is_set():
            self.ended.set()
            self._bodies.let_go(self)
            if self._check is not None:
                self._check.cancel()
            self._on_end(self)


class WebSocketRoute:
    """The handshake of one worker's sockets."""

    def __init__(
        self,
        gate: Gate,
        bodies: Bodies,
        settings: Settings,
        lifecycle: Lifecycle,
        on_end: Callable[[Session], None],
    ) -> None:
        self._gate = gate
        self._bodies = bodies
        self._settings = settings
        self._lifecycle = lifecycle
        self._on_end = on_end
        self.sessions: set[Session] = set()

    def _ended(self, session: Session) -> None:
        self.sessions.discard(session)
        self._on_end(session)

    async def __call__(self, request: Request) -> Response:
        """Answer 101 and hand the connection over. Raises Problem: 400, 401, 403, 405, 426, 429, 503."""
        if request.method != "GET":
            return other_method(request, "GET", "GET, OPTIONS")
        key = _handshake_key(request)
        self._check_origin(request)
        if self._lifecycle.draining:
            raise retry_later("not-ready", "This server is shutting down.", 1)
        offered = _list(request, b"sec-websocket-protocol")
        token = bearer(request) or next(
            (
                name.removeprefix(_TOKEN_SUBPROTOCOL)
                for name in offered
                if name.startswith(_TOKEN_SUBPROTOCOL)
            ),
            None,
        )
        if token is None:
            raise unauthorized("Send `Authorization: Bearer TOKEN`.", presented=False)
        await self._gate.admit(request, token)
        accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        headers = [
            (b"upgrade", b"websocket"),
            (b"connection", b"upgrade"),
            (b"sec-websocket-accept", accept),
        ]
        if SUBPROTOCOL in offered:
            headers.append((b"sec-websocket-protocol", SUBPROTOCOL.encode()))
        session = Session(request, token, self._gate, self._bodies, self._settings, self._ended)
        self.sessions.add(session)
        request.scope[CONNECTION].upgrade(session)
        return 101, headers, b""

    def _check_origin(self, request: Request) -> None:
        """Raises Problem (403) for a page that may not connect. Only browsers send an origin."""
        origin = request.headers.get(b"origin")
        if origin is None:
            return
        text = origin.decode("latin-1")
        allowed = self._settings.origins
        if text.strip().lower() in allowed:
            return
        if "same-origin" in allowed and same_origin(
            text, request.headers.get(b"host", b"").decode("latin-1")
        ):
            return
        raise Problem("forbidden", "Pages of this origin may not connect; see ECHO_ORIGINS.")


def _list(request: Request, name: bytes) -> list[str]:
    """The members of a list, which may be spread over several fields."""
    found = b",".join(value for field, value in request.scope["headers"] if field == name)
    return [part.strip() for part in found.decode("latin-1").split(",")]


def _handshake_key(request: Request) -> bytes:
    """The client's key. Raises Problem: 426 if this is no WebSocket handshake, 400 if it is a wrong one."""
    headers = request.headers
    upgrade = (("Upgrade", "websocket"), ("Connection", "upgrade"), ("Sec-WebSocket-Version", "13"))
    if "websocket" not in _list_lower(request, b"upgrade") or "upgrade" not in _list_lower(
        request, b"connection"
    ):
        raise Problem("upgrade-required", "This route speaks WebSocket.", upgrade)
    if headers.get(b"sec-websocket-version", b"").strip() != b"13":
        raise Problem("upgrade-required", "Use version 13 of the WebSocket protocol.", upgrade)
    key = headers.get(b"sec-websocket-key", b"").strip()
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise Problem("bad-request", "`Sec-WebSocket-Key` must be 16 bytes in base64.")
    if request.body or request.scope["http_version"] != "1.1":
        raise Problem("bad-request", "The handshake must be HTTP/1.1, without a body.")
    return key


def _list_lower(request: Request, name: bytes) -> list[str]:
    return [part.lower() for part in _list(request, name)]
