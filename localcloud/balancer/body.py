"""A request's body on its way: what of it has been looked at, and the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from localcloud.balancer.buffered import held
from localcloud.balancer.http import PIECE, BadMessageError, read_body


class BodyError(Exception):
    """The client's body cannot be had; `status` is what it is told."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Body:
    """`length` as from Head.length, but 0 for none; `seconds` is how long a client may be silent."""

    def __init__(self, reader: asyncio.StreamReader, length: int, seconds: float) -> None:
        self._reader, self.length, self._seconds = reader, length, seconds
        #: What has been read already.
        self.seen = b""
        #: Whether all of it has been read.
        self.complete = length == 0
        self.received = 0
        #: Whether the client was told to go on, by "100 Continue".
        self.invited = False
        self._pieces: AsyncIterator[bytes] | None = None

    @property
    def arrived(self) -> bool:
        """Whether something of it is here."""
        return bool(self.seen or held(self._reader))

    async def peek(self, limit: int) -> None:
        """Read until more than `limit` bytes, or everything, has been seen. Raises BodyError."""
        if self.length <= limit:
            await self.take_arrived()
        while not self.complete and len(self.seen) <= limit:
            self.seen += await self._next()

    async def take_arrived(self) -> None:
        """Read a body of known length that is here as a whole."""
        if not self.received and 0 < self.length <= min(held(self._reader), PIECE):
            self.seen = await self._reader.readexactly(self.length)
            self.received, self.complete = self.length, True

    async def rest(self) -> AsyncIterator[bytes]:
        """The pieces, those seen first, until `complete`. Raises BodyError."""
        if self.seen:
            yield self.seen
        while not self.complete:
            if piece := await self._next():
                yield piece

    async def _next(self) -> bytes:
        """The next piece, empty at the end."""
        if self._pieces is None:
            self._pieces = read_body(self._reader, self.length).__aiter__()
        try:
            async with asyncio.timeout(self._seconds):
                piece = await anext(self._pieces, None)
        except TimeoutError as exc:
            raise BodyError(408) from exc
        except (BadMessageError, ConnectionError) as exc:
            raise BodyError(400) from exc
        self.received += len(piece or b"")
        # A chunked body has ended when its last chunk has been read.
        self.complete = piece is None or self.received == self.length
        return piece or b""
