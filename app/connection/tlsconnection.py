"""TLS on one connection: a protocol to the socket below, a transport to the HTTP protocol above.

The event loops bring such a layer, too. This one differs in what a server under attack or at its end needs:
a connection counts, and has a deadline, before its handshake is done; closing says goodbye and then closes,
without waiting for the client's goodbye; one direction can be closed, so that a client that is still sending
gets to read its answer; and all of that is the same on every loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.connection.protocol import EchoProtocol
    from app.worker import EchoWorker

# More than a record holds, so that nothing that was decrypted is ever left behind.
_PIECE = 64 * 1024
# How long a handshake may take where there is no room: what follows is only to say so.
_NO_ROOM_SECONDS = 2.0
# How long, once nothing new is accepted, a client that has connected may take to say something.
_SILENT_SECONDS = 1.0
# What OpenSSL calls the beginning of an unencrypted request.
_PLAIN_HTTP = ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST")


class TLSConnection(asyncio.Protocol, asyncio.Transport):
    """See the module. `make` makes the protocol above, which takes over once the handshake is done."""

    def __init__(self, worker: EchoWorker, context: ssl.SSLContext, make: Callable[[], EchoProtocol]) -> None:
        super().__init__()
        self._worker = worker
        self._make = make
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._above: EchoProtocol | None = None
        self._deadline = 0.0
        self._heard = False
        self._deaf = False  # what comes is of no interest, and nothing more will be sent
        self._full = False  # the client does not read
        self._paused = False  # the protocol above wants to read nothing
        self.transport: Any = None

    # -- until the handshake is done: one of the worker's connections ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client to begin."""
        self.transport = transport
        worker = self._worker
        worker.connections.add(self)
        seconds = worker.asgi.settings.header_seconds
        if len(worker.connections) > worker.worker_connections:
            seconds = min(seconds, _NO_ROOM_SECONDS)
        self._deadline = worker.loop.time() + seconds

    def sweep(self, now: float) -> None:
        """Cut off who has not finished the handshake in time; `now` is the loop's time."""
        if now >= self._deadline:
            self.transport.abort()

    def close_if_idle(self) -> None:
        """The end is near: who is in the middle of a handshake may go on, who is silent has not long."""
        if not self._heard:
            self._deadline = min(self._deadline, self._worker.loop.time() + _SILENT_SECONDS)

    def _shake_hands(self) -> bool:
        """Go on with the handshake; whether it is done."""
        self._heard = True
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            if error.reason in _PLAIN_HTTP:
                self._hand_over(self.transport).refuse_plain()
            else:
                self._flush()  # the alert that says why
                self.transport.close()
            return False
        self._above = self._hand_over(self)
        return True

    def _hand_over(self, transport: Any) -> EchoProtocol:
        """Let the protocol above have the connection, through `transport`."""
        above = self._make()
        self._worker.connections.discard(self)  # it counts itself
        if transport is not self:
            transport.set_protocol(above)
        above.connection_made(transport)
        return above

    # -- a protocol to the socket ---

    def data_received(self, data: bytes) -> None:
        """Decrypt all that has come, and pass it on in one piece."""
        if self._deaf:
            if self._above is not None:
                self._above.data_received(b"")  # it wants to know that the client is still there
            return
        self._incoming.write(data)
        if self._above is None and not self._shake_hands():
            return
        above = self._above
        assert above is not None  # noqa: S101 - it was made when the handshake was done
        pieces, ended = [], False
        try:
            while self._incoming.pending and not ended:
                piece = self._tls.read(_PIECE)
                pieces.append(piece)
                ended = not piece  # the client's goodbye
        except ssl.SSLWantReadError:
            pass  # the rest of a record is on its way
        except ssl.SSLError:
            self._flush()
            self.abort()  # somebody changed what was sent: nothing that came with it is to be trusted
            return
        self._flush()
        if plain := b"".join(pieces):
            above.data_received(plain)
        if ended and not above.eof_received():
            self.close()

    def eof_received(self) -> bool:
        """The client has closed its side; the protocol above knows whether something is left to say."""
        return self._above is not None and self._above.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._deaf = True
        self._worker.connections.discard(self)
        if self._above is not None:
            self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read. Nor is it read from: TLS itself answers some of what it may send."""
        self._full = True
        self.transport.pause_reading()
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self._full = False
        self._read_on()
        if self._above is not None:
            self._above.resume_writing()

    # -- a transport to the protocol above ---

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport."""
        return self._tls if name == "ssl_object" else self.transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if self._deaf or not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError:  # the client has ended the session by an alert
            self.abort()
            return
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.transport.write(self._outgoing.read())

    def _say_goodbye(self) -> None:
        if not self._deaf:
            self._deaf = True
            with contextlib.suppress(ssl.SSLError):  # "want read": it would wait for the client's goodbye
                self._tls.unwrap()
            self._flush()

    def can_write_eof(self) -> bool:
        """Yes: TLS has a goodbye for each direction."""
        return True

    def write_eof(self) -> None:
        """Close the sending side."""
        self._say_goodbye()
        self.transport.write_eof()

    def close(self) -> None:
        """Close once all is sent."""
        if not self.transport.is_closing():
            self._say_goodbye()
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._deaf = True
        self.transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return bool(self.transport.is_closing())

    def pause_reading(self) -> None:
        """Read nothing for a while."""
        self._paused = True
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._paused = False
        self._read_on()

    def _read_on(self) -> None:
        # Not on the way out: uvloop would begin to read again while it sends the rest.
        if not (self._paused or self._full or self.transport.is_closing()):
            self.transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait to be sent."""
        return int(self.transport.get_write_buffer_size())

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When `pause_writing` and `resume_writing` are called."""
        self.transport.set_write_buffer_limits(high, low)
