"""One request forwarded to a target, and its answer, both streamed."""

from __future__ import annotations

import asyncio
import secrets
import time

from localcloud.balancer.answers import answer
from localcloud.balancer.http import HEAD_LIMIT, BadMessageError, Head, read_body, read_head, render
from localcloud.balancer.routing import Settings
from localcloud.balancer.targets import Connection, Group, Target

#: Requests that may be sent twice without harm (RFC 9110, 9.2.2).
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
_CONNECT_SECONDS = 10.0


class _TargetClosedError(Exception):
    """The target closed before the first byte of its answer."""


class Exchange:
    """One request forwarded, and its answer."""

    def __init__(
        self,
        head: Head,
        length: int,
        keep: bool,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settings: Settings,
    ) -> None:
        self.head, self.length, self.keep = head, length, keep
        self.reader, self.writer, self.settings = reader, writer, settings
        self.is_head = head.first[0] == b"HEAD"
        self.upgrade = b"upgrade" in head.tokens(b"connection") and head.get(b"upgrade") is not None
        self.uploaded = length == 0
        self.answered = False

    async def run(self, group: Group | None) -> bool:
        """Forward to the group; returns whether the client's connection can take another request."""
        tried: set[Target] = set()
        stale = 0
        while True:
            target = group.pick(tried) if group else None
            if target is None:
                return await self._fail(502 if tried else 503)
            # Counted before the first await: a target that leaves now waits for this request.
            target.in_flight += 1
            try:
                pooled = self._pooled(target)
                try:
                    connection = pooled or await self._connect(target)
                except (OSError, TimeoutError):
                    tried.add(target)
                    continue
                try:
                    return await self._exchange(target, connection)
                except _TargetClosedError:
                    connection[1].close()
                    untouched = self.length == 0
                    if pooled and untouched and self.head.first[0] in _IDEMPOTENT and stale < 100:
                        stale += 1
                        continue
                    return await self._fail(502)
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
        await answer(self.writer, status, keep, self.settings, self.is_head)
        return keep

    def _pooled(self, target: Target) -> Connection | None:
        while target.idle:
            reader, writer, since = target.idle.pop()
            fresh = time.monotonic() - since < self.settings.idle_seconds
            # Bytes that nobody asked for would be taken for the next answer.
            if fresh and not writer.is_closing() and not reader.at_eof() and not reader._buffer:  # type: ignore[attr-defined]
                return reader, writer
            writer.close()
        return None

    async def _connect(self, target: Target) -> Connection:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await asyncio.open_connection(target.id, target.port, limit=HEAD_LIMIT)

    def _request_head(self) -> bytes:
        settings = self.settings
        headers = []
        forwarded, trace = [], b""
        for name, value in self.head.end_to_end():
            lower = name.lower()
            if lower == b"x-forwarded-for":
                forwarded.append(value)
            elif lower == b"x-amzn-trace-id":
                trace = value
            elif lower in (b"x-forwarded-proto", b"x-forwarded-port", b"content-length") or (
                settings.drop_invalid_headers and not name.replace(b"-", b"").isalnum()
            ):
                continue
            else:
                headers.append((name, value))
        peer = self.writer.get_extra_info("peername")
        forwarded.append(str(peer[0] if peer else "127.0.0.1").encode())
        root = b"1-%08x-%b" % (int(time.time()), secrets.token_hex(12).encode())
        headers += [
            (b"X-Forwarded-For", b", ".join(forwarded)),
            (b"X-Forwarded-Proto", settings.protocol.lower().encode()),
            (b"X-Forwarded-Port", b"%d" % settings.port),
            (b"X-Amzn-Trace-Id", b"Self=%b;%b" % (root, trace) if trace else b"Root=" + root),
        ]
        if self.length == -1:
            headers.append((b"Transfer-Encoding", b"chunked"))
        elif self.head.get(b"content-length") is not None:
            headers.append((b"Content-Length", b"%d" % self.length))
        if self.upgrade:
            headers += [(b"Connection", b"upgrade"), (b"Upgrade", self.head.get(b"upgrade") or b"")]
        else:
            headers.append((b"Connection", b"keep-alive"))
        return render(b"%b %b HTTP/1.1" % self.head.first[:2], headers)

    async def _exchange(self, target: Target, connection: Connection) -> bool:
        reader, writer = connection
        writer.write(self._request_head())
        upload: asyncio.Task[None] | None = None
        if self.length:
            upload = asyncio.get_running_loop().create_task(self._upload(writer))
        try:
            head = await self._answer_head(reader, upload)
            if head.first[1] == b"101" and self.upgrade:
                await self._tunnel(head, reader, writer)
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
            target.idle.append((reader, writer, time.monotonic()))
        else:
            writer.close()
        return self.keep

    async def _upload(self, writer: asyncio.StreamWriter) -> None:
        async for piece in read_body(self.reader, self.length):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.length == -1 else piece)
            await writer.drain()
        if self.length == -1:
            writer.write(b"0\r\n\r\n")
        self.uploaded = True

    async def _answer_head(self, reader: asyncio.StreamReader, upload: asyncio.Task[None] | None) -> Head:
        """The final answer's head; interim ones (100, 103) are passed on."""
        while True:
            reading = asyncio.ensure_future(read_head(reader, response=True)) if upload else None
            try:
                if upload and reading:
                    await asyncio.wait({upload, reading}, return_when=asyncio.FIRST_COMPLETED)
                    if upload.done() and not reading.done() and (problem := upload.exception()):
                        # The client broke off, or the target stopped reading: it may have answered all the
                        # same.
                        if isinstance(problem, BadMessageError):
                            raise _TargetClosedError from problem
                        async with asyncio.timeout(1):
                            await asyncio.wait({reading})
                async with asyncio.timeout(self.settings.idle_seconds):
                    head = await (reading or read_head(reader, response=True))
            except (ConnectionError, BadMessageError) as exc:
                raise _TargetClosedError from exc
            finally:
                if reading:
                    reading.cancel()
            if head is None:
                raise _TargetClosedError
            if head.first[1].startswith(b"1") and head.first[1] != b"101":
                self.writer.write(render(b"HTTP/1.1 " + b" ".join(head.first[1:]), head.end_to_end()))
                continue
            return head

    async def _relay(self, head: Head, reader: asyncio.StreamReader) -> bool:
        """Pass the answer on; returns whether the target's connection can be used again."""
        status = head.first[1]
        try:
            length = head.length()
        except BadMessageError as exc:
            raise _TargetClosedError from exc
        empty = self.is_head or status in (b"204", b"304")
        reusable = head.first[0] == b"HTTP/1.1" and b"close" not in head.tokens(b"connection")
        reusable = reusable and (empty or length is not None)
        chunked = not empty and (length is None or length == -1)
        if chunked and self.head.first[2] == b"HTTP/1.0":
            chunked, self.keep = False, False
        headers = head.end_to_end()
        if chunked or (self.is_head and length == -1):
            headers.append((b"Transfer-Encoding", b"chunked"))
        headers.append((b"Connection", b"keep-alive" if self.keep and self.uploaded else b"close"))
        self.keep = self.keep and self.uploaded
        self.answered = True
        self.writer.write(render(b"HTTP/1.1 " + b" ".join(head.first[1:]), headers))
        if not empty:
            pieces = read_body(reader, length).__aiter__()
            while True:
                async with asyncio.timeout(self.settings.idle_seconds):
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                self.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await self.writer.drain()
        if chunked:
            self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()
        return reusable

    async def _tunnel(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """An upgraded connection: bytes both ways until one side closes or the idle time passes."""
        headers = [
            *head.end_to_end(),
            (b"Connection", b"upgrade"),
            (b"Upgrade", head.get(b"upgrade") or b""),
        ]
        self.answered = True
        self.writer.write(render(b"HTTP/1.1 " + b" ".join(head.first[1:]), headers))
        last = time.monotonic()

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            nonlocal last
            while piece := await source.read(65536):
                last = time.monotonic()
                sink.write(piece)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()

        copies = {
            asyncio.ensure_future(copy(self.reader, writer)),
            asyncio.ensure_future(copy(reader, self.writer)),
        }
        try:
            while copies:
                done, copies = await asyncio.wait(copies, timeout=1, return_when=asyncio.FIRST_COMPLETED)
                if any(task.exception() for task in done) or (
                    not done and time.monotonic() - last > self.settings.idle_seconds
                ):
                    break
        finally:
            for task in copies:
                task.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            writer.close()
