"""HTTP/1.1 message heads and bodies, parsed strictly: what two parties could read differently is refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

#: A header section may be this long; AWS's limit for a load balancer is the same.
HEAD_LIMIT = 64 * 1024
#: The same for the request line, and for one field.
LINE_LIMIT = 16 * 1024
#: Digits of a body's length: what is longer is no number of bytes.
_MOST_DIGITS = 18
#: How much of a body is held in memory at once.
PIECE = 64 * 1024

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+\Z")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\Z")
#: Meant for one connection only (RFC 9110, 7.6.1), so never passed on.
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
     b"trailer", b"transfer-encoding", b"upgrade"}
)  # fmt: skip

Headers = list[tuple[bytes, bytes]]


class BadMessageError(ValueError):
    """The peer sent what is not HTTP/1.1, or what could be read in two ways.

    `reason` is AWS's word for it in access logs, `status` what a client is told.
    """

    def __init__(self, text: str, reason: str = "-", status: int = 400) -> None:
        super().__init__(text)
        self.reason, self.status = reason, status


@dataclass(slots=True)
class Head:
    """Start line and header fields. `first`: method, target, version; or version, status, reason."""

    first: tuple[bytes, bytes, bytes]
    headers: Headers
    #: Bytes of the head as it came.
    size: int = 0
    #: The values by name in lower case, since a request's are looked up a dozen times.
    _by_name: dict[bytes, list[bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_name = {}
        for name, value in self.headers:
            self._by_name.setdefault(name.lower(), []).append(value)

    def values(self, name: bytes) -> list[bytes]:
        """All values of the field `name` (lower case)."""
        return self._by_name.get(name, [])

    def get(self, name: bytes) -> bytes | None:
        """The first value of the field `name` (lower case)."""
        found = self._by_name.get(name)
        return found[0] if found else None

    def tokens(self, name: bytes) -> list[bytes]:
        """The comma-separated members of all fields called `name`, in lower case."""
        return [
            part.strip().lower() for value in self.values(name) for part in value.split(b",") if part.strip()
        ]

    def end_to_end(self) -> Headers:
        """The fields that go on to the next party."""
        left_out = _HOP_BY_HOP.union(self.tokens(b"connection"))
        if left_out.isdisjoint(self._by_name):
            return list(self.headers)
        return [(name, value) for name, value in self.headers if name.lower() not in left_out]

    def length(self) -> int | None:
        """Length of the body in bytes; -1 when it is chunked, None when no field says.

        Raises BadMessageError when the fields contradict each other.
        """
        encodings = self.tokens(b"transfer-encoding")
        lengths = set(self.values(b"content-length"))
        if encodings:
            if lengths:
                raise BadMessageError("Transfer-Encoding comes with Content-Length", "BothTeClPresent")
            if encodings.count(b"chunked") > 1:
                raise BadMessageError(
                    "Transfer-Encoding says chunked twice", "MultipleTransferEncodingChunked"
                )
            if encodings != [b"chunked"]:
                raise BadMessageError("Transfer-Encoding is not just chunked", "BadTransferEncoding", 501)
            return -1
        if not lengths:
            return None
        if len(lengths) > 1:
            raise BadMessageError("there are several values of Content-Length", "MultipleContentLength")
        text = lengths.pop()
        if not text.isdigit() or len(text) > _MOST_DIGITS:
            raise BadMessageError("Content-Length is not a number", "BadContentLength")
        return int(text)


async def read_head(reader: asyncio.StreamReader, response: bool = False) -> Head | None:
    """The next message's head, None when the peer closed before its first byte.

    Raises BadMessageError; ConnectionError when the peer closed in the middle of it.
    """
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
        while raw.startswith(b"\r\n") and not response:
            # An empty line before a request is to be ignored (RFC 9112, 2.2).
            raw = raw[2:] or await reader.readuntil(b"\r\n\r\n")
            if raw == b"\r\n":
                raw += await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as exc:
        if not exc.partial.strip():
            return None
        raise ConnectionResetError("closed in the middle of a message head") from exc
    except asyncio.LimitOverrunError as exc:
        raise BadMessageError("header section too long") from exc
    lines = raw[:-4].split(b"\r\n")
    parts = lines[0].split(b" ", 2)
    if response:
        if len(parts) == 2:
            parts.append(b"")
        if (
            len(parts) != 3
            or not parts[0].startswith(b"HTTP/1.")
            or not (parts[1].isdigit() and len(parts[1]) == 3)
        ):
            raise BadMessageError("not an HTTP/1 response")
    elif (
        len(parts) != 3
        or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0")
        or not _TOKEN.match(parts[0])
        or not _TARGET.match(parts[1])
    ):
        raise BadMessageError("not an HTTP/1 request", "BadUri" if len(parts) == 3 else "BadMethod")
    if not response and len(raw) > LINE_LIMIT and max(map(len, lines)) > LINE_LIMIT:
        raise BadMessageError("request line or header field too long")
    headers: Headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not _TOKEN.match(name) or not _VALUE.match(value):
            raise BadMessageError("malformed header field", "BadHeader")
        headers.append((name, value))
    return Head((parts[0], parts[1], parts[2]), headers, len(raw))


async def read_body(reader: asyncio.StreamReader, length: int | None) -> AsyncIterator[bytes]:
    """The body's pieces, decoded; `length` as from Head.length, None meaning until the peer closes.

    Raises BadMessageError, or ConnectionError when the peer closes too early.
    """
    if length == -1:
        async for piece in _chunks(reader):
            yield piece
        return
    left = length
    while left is None or left > 0:
        piece = await reader.read(PIECE if left is None else min(PIECE, left))
        if not piece:
            if left is None:
                return
            raise ConnectionResetError("closed in the middle of a body")
        if left is not None:
            left -= len(piece)
        yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        line = await _line(reader)
        found = _CHUNK.match(line)
        if not found:
            raise BadMessageError("malformed chunk")
        left = int(found.group(1), 16)
        if left == 0:
            break
        while left:
            piece = await reader.read(min(PIECE, left))
            if not piece:
                raise ConnectionResetError("closed in the middle of a chunk")
            left -= len(piece)
            yield piece
        if await _line(reader):
            raise BadMessageError("malformed chunk")
    # Trailers are read and dropped: a recipient may (RFC 9112, 7.1.2).
    while await _line(reader):
        pass


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2]
    except asyncio.IncompleteReadError as exc:
        raise ConnectionResetError("closed in the middle of a chunk") from exc
    except asyncio.LimitOverrunError as exc:
        raise BadMessageError("line too long") from exc


def render(first: bytes, headers: Headers) -> bytes:
    """Bytes of a head."""
    return b"".join([first, b"\r\n", *(b"%b: %b\r\n" % pair for pair in headers), b"\r\n"])
