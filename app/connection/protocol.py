"""One client connection: gunicorn's ASGI protocol with the bounds it lacks.

Added to it: time-outs (header, body, idle, unread answers), the connection bound, pipelining, `100 Continue`,
`Connection: close` while draining, problem documents for what never reaches the application, and a lingering
close, so that a client still sending a body that was refused gets to read why.

No timer is set per request: a connection only notes its deadline, and the worker sweeps all of them.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from gunicorn.asgi import protocol as stock

from app.asgi import new_request_id
from app.connection.parser import Head, ParseError, RequestParser
from app.connection.phases import Phase, unread
from app.http import BODY_LIMIT, Headers
from app.problems import Problem, from_status, retry_later
from app.websocket import Session

if TYPE_CHECKING:
    from app.worker import EchoWorker

# What may be received ahead of the answer to the request before it.
_PIPELINE_LIMIT = 64 * 1024
# Bytes on the wire that one request may take: a chunked body has some overhead, but hardly as much again.
_RAW_LIMIT = 2 * BODY_LIMIT
# How long, once nothing new is accepted, a client that has connected may take to begin its first request.
_FIRST_SECONDS = 1.0
# After a refusal, what the client still sends is read and dropped: until it pauses so long, at most so long.
_LINGER_PAUSE, _LINGER_SECONDS = 2.0, 10.0


class EchoProtocol(stock.ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """See the module. `worker` is the EchoWorker whose connection this is."""

    def __init__(self, worker: EchoWorker) -> None:
        super().__init__(worker)
        self._current_request: Head | None
        self._body_receiver: Any
        self._callback_parser: RequestParser
        self._closed: bool
        self._phase = Phase.IDLE
        self._deadline = math.inf
        self._limits = worker.asgi.settings
        self._raw = 0
        self._must_close = False
        self._half_closed = False  # the client will send no more
        self._new = True  # no request was answered yet
        self._linger_until = math.inf
        self._session: Session | None = None
        self.broken: Problem | None = None

    # -- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a connection, or refuse it when there are too many."""
        super().connection_made(transport)
        self.worker.connections.add(self)
        self._deadline = self.worker.loop.time() + self._limits.header_seconds
        if len(self.worker.connections) > self.worker.worker_connections:
            self._phase = Phase.HEADER  # its request is on the way: linger, so that the answer is read
            self._refuse(503, "Too many connections.")

    def refuse_plain(self) -> None:
        """Say to a client that speaks HTTP where TLS is spoken what it should do."""
        if not self._closed:
            self._phase = Phase.HEADER  # the rest of its request may be on the way
            self._refuse(400, "This port speaks TLS: use https.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and wake whoever waits for more of it."""
        self.worker.connections.discard(self)
        if self._session is not None:
            self._session.lost()
        super().connection_lost(exc)
        if self._request_ready is not None:
            self._request_ready.set()

    def eof_received(self) -> bool:
        """A client that shut down its sending side still gets the answers to what it had sent."""
        if self._phase is Phase.ANSWER:
            self._half_closed = True
            return True
        return False

    def data_received(self, data: bytes) -> None:
        """Feed the parser, or throw away what comes too late."""
        phase = self._phase
        if phase is Phase.ANSWER:
            self._callback_parser.feed(data)  # which keeps it for later
            if self._callback_parser.waiting > _PIPELINE_LIMIT:
                self._pause_reading()
            return
        if phase is Phase.WEBSOCKET:
            assert self._session is not None  # noqa: S101 - what the phase means
            self._session.feed(data)
            return
        if phase is Phase.CLOSING:
            self._deadline = min(self.worker.loop.time() + _LINGER_PAUSE, self._linger_until)
            return
        if phase is Phase.IDLE:
            self._phase = Phase.HEADER
            self._deadline = self.worker.loop.time() + self._limits.header_seconds
        if self.broken is not None:
            return
        self._raw += len(data)
        if self._raw > _RAW_LIMIT:
            self._refuse(413, "The request is too large.")
            return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        try:
            self._callback_parser.feed(data)
        except ParseError as error:
            self._refuse(error.status, str(error))

    def pause_writing(self) -> None:
        """The client does not read: it has as long as for a header."""
        super().pause_writing()
        if self._phase is Phase.WEBSOCKET:
            self._pause_reading()  # or its echoes would fill the memory
        if self._phase in (Phase.ANSWER, Phase.WEBSOCKET):
            self._deadline = self.worker.loop.time() + self._limits.header_seconds

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._phase is Phase.WEBSOCKET:
            self._resume_reading()
        if self._phase in (Phase.ANSWER, Phase.WEBSOCKET):
            self._deadline = math.inf

    # -- parser's callbacks ---

    def _setup_callback_parser(self) -> None:
        self._callback_parser = RequestParser(
            "https" if self._is_ssl else "http", self._on_head, self._on_body, self._on_message_complete
        )

    def _on_head(self, request: Head) -> None:
        self._current_request = request
        self._body_receiver = stock.BodyReceiver(request, self)
        self._request_ready.set()
        self._phase = Phase.BODY
        self._deadline = self.worker.loop.time() + self._limits.body_seconds
        if request.expects_continue and request.version >= (1, 1) and request.content_length <= BODY_LIMIT:
            self._safe_write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _on_body(self, piece: bytes) -> None:
        self._body_receiver.feed(piece)

    def _on_message_complete(self) -> None:
        self._body_receiver.set_complete()
        self._phase = Phase.ANSWER
        self._deadline = math.inf

    # -- requests ---

    async def _handle_connection(self) -> None:
        peername = self.transport.get_extra_info("peername")
        sockname = self.transport.get_extra_info("sockname")
        ready = self._request_ready
        try:
            while not self._closed:
                if not ready.is_set():
                    await ready.wait()
                request = self._current_request
                if self._closed or request is None:
                    break
                self.worker.nr += 1
                keep = await self._handle_http_request(request, sockname, peername)
                if self._session is not None:
                    await self._serve_websocket(self._session)
                    break
                if not keep or self._must_close or not self._body_receiver._complete:
                    break
                self._next_request()
                if self._half_closed and self._phase is not Phase.ANSWER:
                    break
        except asyncio.CancelledError:
            pass
        except Exception:
            self.log.exception("fault in a connection")
        finally:
            self._close_transport()

    def upgrade(self, session: Session) -> None:
        """Give the connection to `session` once the answer was sent."""
        self._session = session

    async def _serve_websocket(self, session: Session) -> None:
        """Give the connection to the session until that ends."""
        if self._closed:
            session.lost()
            return
        self._phase = Phase.WEBSOCKET
        self._deadline = math.inf
        session.attach(self.transport)
        early = self._callback_parser.remaining()  # frames that came right behind the handshake
        self._resume_reading()
        if early:
            session.feed(early)
        await session.ended.wait()

    def _next_request(self) -> None:
        """Make ready for the next request, which may have arrived already."""
        self._current_request = None
        self._body_receiver = None
        self._request_ready.clear()
        self._new = False
        now = self.worker.loop.time()
        self._phase, self._deadline = Phase.IDLE, now + self._limits.keepalive_seconds
        self._resume_reading()
        self._callback_parser.go_on()
        self._raw = self._callback_parser.waiting
        if self._raw:
            self._phase, self._deadline = Phase.HEADER, now + self._limits.header_seconds
            self._parse(b"")

    def _send_response_start(self, status: int, headers: Headers, request: Any) -> None:
        """Put the header into the buffer; this is where it is decided whether the connection stays."""
        if status != 101 and (
            self.worker.draining
            or self._phase is not Phase.ANSWER  # the body is not all here, so the next request can't be found
            or request.version < (1, 1)
            or request.should_close()
        ):
            self._must_close = True
            headers = [header for header in headers if header[0] != b"connection"]
            headers.append((b"connection", b"close"))
        self._response_buffer = b"%b%b%bserver: echo-room\r\n\r\n" % (
            stock._get_cached_status_line((1, 1), status, self._get_reason_phrase(status)),
            b"".join([b"%b: %b\r\n" % header for header in headers]),
            stock._get_cached_date_header(),
        )

    def _send_error_response(self, status: int, message: str) -> None:
        """Answer what never reached the application."""
        request_id = new_request_id()
        problem = retry_later("overloaded", message, 1) if status == 503 else from_status(status, message)
        answer, sent = unread(problem, request_id)
        self._safe_write(answer)
        peer = self.transport.get_extra_info("peername")
        self.worker.asgi.telemetry.refused_unread(problem, sent, peer[0] if peer else "", request_id)

    def _refuse(self, status: int, message: str) -> None:
        """Answer what cannot be read; if the application has the request already, have it do that."""
        if self._phase is Phase.BODY:
            self.broken = from_status(status, message)
            self._stop_waiting_for_body()
            return
        self._send_error_response(status, message)
        self._close_transport()

    # -- the end ---

    def _close_transport(self) -> None:
        """Close once everything was written; if the client may still be sending, read (and drop) that first.

        Closing a socket with unread data resets the connection, and the client would lose the answer.
        """
        if self._closed or self.transport is None:
            return
        self._closed = True
        now = self.worker.loop.time()
        # A WebSocket's client may be sending too: it closes once it has read our close frame.
        incomplete = self._phase in (Phase.HEADER, Phase.BODY, Phase.WEBSOCKET) or self._reading_paused
        self._phase = Phase.CLOSING
        self._linger_until = now + _LINGER_SECONDS
        self._deadline = now + (_LINGER_PAUSE if incomplete else _LINGER_SECONDS)
        if incomplete and not self.transport.is_closing():
            self._resume_reading()
            if self.transport.can_write_eof():
                self.transport.write_eof()
        else:
            self.transport.close()

    def _stop_waiting_for_body(self) -> None:
        self._deadline = math.inf
        self._body_receiver._body_wait_expired = True
        self._body_receiver._wake_waiter()

    def close_if_idle(self) -> None:
        """Close a connection on which no request is under way; a first one may still be on its way here."""
        if self._phase is not Phase.IDLE:
            return
        if self._new:
            self._deadline = min(self._deadline, self.worker.loop.time() + _FIRST_SECONDS)
        else:
            self._close_transport()

    def sweep(self, now: float) -> None:
        """Act on a deadline that has passed; `now` is the loop's time."""
        if self._phase is Phase.WEBSOCKET and self._session is not None:
            self._session.sweep(now, draining=self.worker.draining)
        if now < self._deadline:
            return
        if self._phase is Phase.IDLE and not self.transport.get_write_buffer_size():
            self._close_transport()
        elif self._phase is Phase.HEADER:
            self._refuse(408, "The header did not arrive in time.")
        elif self._phase is Phase.BODY:
            self._stop_waiting_for_body()  # the application answers 408
        else:  # it does not read what we wrote, or does not close
            self.transport.abort()
