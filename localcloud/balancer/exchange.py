"""One request forwarded to a target, and its answer, both streamed."""

from __future__ import annotations

import asyncio
import time

from localcloud.balancer.answers import answer
from localcloud.balancer.body import Body, BodyError
from localcloud.balancer.buffered import held
from localcloud.balancer.heads import answer_headers, request_head
from localcloud.balancer.http import (
    HEAD_LIMIT,
    PIECE,
    BadMessageError,
    Head,
    read_body,
    read_head,
    render,
)
from localcloud.balancer.pool import Connection
from localcloud.balancer.targets import Group, Target
from localcloud.balancer.tls import TARGET_CONTEXT
from localcloud.balancer.tunnel import tunnel
from localcloud.balancer.turn import Turn
from localcloud.metrics import counters

#: Requests that may be sent twice without harm (RFC 9110, 9.2.2).
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
_CONNECT_SECONDS = 10.0


class _TargetClosedError(Exception):
    """The target closed before the first byte of its answer."""


class _BadAnswerError(Exception):
    """The target's answer is no HTTP."""


class Exchange:
    """One request forwarded, and its answer."""

    def __init__(
        self,
        turn: Turn,
        head: Head,
        body: Body,
        keep: bool,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.turn, self.head, self.body, self.keep = turn, head, body, keep
        self.reader, self.writer, self.settings = reader, writer, turn.settings
        self.is_head = head.first[0] == b"HEAD"
        self.upgrade = b"upgrade" in head.tokens(b"connection") and head.get(b"upgrade") is not None
        self.uploaded = body.complete
        self.answered = False

    async def run(self, group: Group | None) -> bool:
        """Forward to the group; returns whether the client's connection can take another request."""
        tried: set[Target] = set()
        await self.body.take_arrived()
        # A body that has come already goes out with the head, and can be sent again.
        self.uploaded = self.body.complete
        problem = 503
        replayable = self.uploaded and self.head.first[0] in _IDEMPOTENT
        again: Target | None = None
        while True:
            target = again or (group.pick(tried) if group else None)
            if target is None:
                return await self._fail(problem)
            # Counted before the first await: a target that leaves now waits for this request.
            target.in_flight += 1
            self.turn.target = (target.id, target.port)
            try:
                pooled = None if again else target.idle.take(young=not replayable)
                try:
                    connection = pooled or await self._connect(target)
                except OSError as exc:
                    # As documented: 504 where the connection timed out, 502 where it was refused.
                    if again:
                        return await self._fail(502)
                    problem = 504 if isinstance(exc, TimeoutError) else 502
                    counters.target_connection_error(self.settings.load_balancer, self.turn.group, target.id)
                    tried.add(target)
                    continue
                try:
                    return await self._exchange(target, connection)
                except _TargetClosedError:
                    connection[1].close()
                    if not (pooled and replayable):
                        return await self._fail(502)
                    # It closed while the request was on its way; on a new connection that cannot happen.
                    # Another target does not get what may have been the end of this one.
                    again = target
                except _BadAnswerError:
                    connection[1].close()
                    return await self._fail(502)
                except BodyError as exc:
                    connection[1].close()
                    return await self._fail(exc.status)
                except TimeoutError:
                    connection[1].close()
                    return await self._fail(504)
                except BaseException:
                    connection[1].close()
                    raise
            finally:
                target.in_flight -= 1

    async def _fail(self, status: int) -> bool:
        if self.answered:
            return False
        keep = self.keep and self.uploaded
        await answer(self.writer, self.turn, status, keep)
        return keep

    async def _connect(self, target: Target) -> Connection:
        async with asyncio.timeout(_CONNECT_SECONDS):
            secure = TARGET_CONTEXT if target.secure else None
            return await asyncio.open_connection(target.id, target.port, limit=HEAD_LIMIT, ssl=secure)

    async def _exchange(self, target: Target, connection: Connection) -> bool:
        reader, writer = connection
        self.turn.forwarded = time.perf_counter()
        peer = self.writer.get_extra_info("peername")
        first, trace = request_head(
            self.head, self.body, self.settings, str(peer[0] if peer else "127.0.0.1"), self.upgrade
        )
        self.turn.trace = trace.decode("latin-1")
        writer.write(first + (self._framed(self.body.seen, last=True) if self.uploaded else b""))
        upload: asyncio.Task[None] | None = None
        if not self.uploaded:
            upload = asyncio.get_running_loop().create_task(self._upload(writer))
        try:
            head = await self._answer_head(reader, upload)
            if head.first[1] == b"101" and self.upgrade:
                self._upgraded(head)
                sent, received = await tunnel(
                    (self.reader, self.writer), connection, self.settings.idle_seconds
                )
                self.turn.received += sent
                self.turn.sent += received
                return False
            reusable = await self._relay(head, reader)
            if upload and not upload.done():
                # Answered before the body was read: neither connection can be used again.
                self.keep = reusable = False
        finally:
            if upload:
                upload.cancel()
                await asyncio.gather(upload, return_exceptions=True)
        if reusable and target.state == "healthy":
            target.idle.give(connection, self.settings.idle_seconds)
        else:
            writer.close()
        return self.keep

    async def _upload(self, writer: asyncio.StreamWriter) -> None:
        """Raises BodyError; ConnectionError or TimeoutError when it is the target that takes no more."""
        async for piece in self.body.rest():
            writer.write(self._framed(piece))
            async with asyncio.timeout(self.settings.idle_seconds):
                await writer.drain()
        writer.write(self._framed(b"", last=True))
        self.uploaded = True

    def _framed(self, piece: bytes, last: bool = False) -> bytes:
        """A piece of the body as it goes out."""
        if self.body.length != -1:
            return piece
        return (b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"") + (b"0\r\n\r\n" if last else b"")

    async def _answer_head(self, reader: asyncio.StreamReader, upload: asyncio.Task[None] | None) -> Head:
        """The final answer's head; interim ones (100, 103) are passed on."""
        while True:
            try:
                head = await (self._head_while(reader, upload) if upload else self._head(reader))
            except ConnectionError as exc:
                raise _TargetClosedError from exc
            except BadMessageError as exc:
                raise _BadAnswerError from exc
            if head is None:
                raise _TargetClosedError
            if head.first[1].startswith(b"1") and head.first[1] != b"101":
                if self.head.first[2] == b"HTTP/1.1" and not self.body.invited:
                    self.writer.write(render(b"HTTP/1.1 " + b" ".join(head.first[1:]), head.end_to_end()))
                continue
            return head

    async def _head(self, reader: asyncio.StreamReader) -> Head | None:
        async with asyncio.timeout(self.settings.idle_seconds):
            return await read_head(reader, response=True)

    async def _head_while(self, reader: asyncio.StreamReader, upload: asyncio.Task[None]) -> Head | None:
        """The next head while the body is still on its way; the time counts from the body's end."""
        reading = asyncio.ensure_future(read_head(reader, response=True))
        try:
            await asyncio.wait({upload, reading}, return_when=asyncio.FIRST_COMPLETED)
            seconds = self.settings.idle_seconds
            if upload.done() and not reading.done() and (problem := upload.exception()):
                if isinstance(problem, BodyError):
                    raise problem
                # The target reads no more: it may have said why.
                seconds = 1.0
            async with asyncio.timeout(seconds):
                return await reading
        finally:
            reading.cancel()

    async def _relay(self, head: Head, reader: asyncio.StreamReader) -> bool:
        """Pass the answer on; returns whether the target's connection can be used again."""
        status = head.first[1]
        try:
            length = head.length()
        except BadMessageError as exc:
            raise _BadAnswerError from exc
        empty = self.is_head or status in (b"204", b"304")
        reusable = head.first[0] == b"HTTP/1.1" and b"close" not in head.tokens(b"connection")
        reusable = reusable and (empty or length is not None)
        chunked = not empty and (length is None or length == -1)
        if chunked and self.head.first[2] == b"HTTP/1.0":
            chunked, self.keep = False, False
        headers = answer_headers(head, self.settings)
        if chunked or (self.is_head and length == -1):
            headers.append((b"Transfer-Encoding", b"chunked"))
        self.keep = self.keep and self.uploaded
        headers.append((b"Connection", b"keep-alive" if self.keep else b"close"))
        self._answer(status)
        first = render(b"HTTP/1.1 " + b" ".join(head.first[1:]), headers)
        if not empty and length and 0 < length <= min(held(reader), PIECE):
            # All of a small body is there: one write for everything.
            first += await reader.readexactly(length)
            empty = True
        self.turn.sent += len(first)
        self.writer.write(first)
        if empty and not self.writer.transport.get_write_buffer_size():
            return reusable
        pieces = read_body(reader, length).__aiter__()
        while True:
            # Either side may be the one that is silent for too long.
            async with asyncio.timeout(self.settings.idle_seconds):
                await self.writer.drain()
                piece = None if empty else await anext(pieces, None)
            if piece is None:
                break
            piece = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
            self.turn.sent += len(piece)
            self.writer.write(piece)
        if chunked:
            self.writer.write(b"0\r\n\r\n")
        return reusable

    def _answer(self, status: bytes) -> None:
        """Note that the target has answered, and with what."""
        self.answered = True
        self.turn.target_status = status.decode()
        if self.writer.is_closing():
            # AWS's word for a client that is gone before it had its answer.
            self.turn.answer(460)
        else:
            self.turn.answer(int(status), from_target=True)

    def _upgraded(self, head: Head) -> None:
        headers = [
            *answer_headers(head, self.settings),
            (b"Connection", b"upgrade"),
            (b"Upgrade", head.get(b"upgrade") or b""),
        ]
        self._answer(head.first[1])
        self.turn.upgraded = True
        first = render(b"HTTP/1.1 " + b" ".join(head.first[1:]), headers)
        self.turn.sent += len(first)
        self.writer.write(first)
