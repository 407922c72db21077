"""Requests out of bytes, without any input or output: HTTP/1.1 as RFC 9112 has it, and nothing looser.

In place of gunicorn's own, which takes what a proxy may understand differently, so that one request can
hide in another: a space in front of a field's colon or name, `Content-Length: +5`, a chunk longer than
it says, codings that nobody here undoes. It also keeps a line without an end, whatever its length. A header
is checked and taken apart by regular expressions, which costs a fraction of looking at each of its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import unquote_to_bytes

LINE_LIMIT = 8190
"""Longest request line and longest field, in bytes."""
FIELDS_LIMIT = 100
HEADER_LIMIT = 64 * 1024
"""Largest header in bytes: as much as a load balancer passes on."""
_CHUNK_LINE_LIMIT = 256

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_TEXT = rb"[\t -~\x80-\xff]"
# An empty line in front is what some clients leave behind a body (RFC 9112, 2.2).
_REQUEST_LINE = re.compile(rb"(?:\r\n)?([A-Z-]{1,20}) ([!-~\x80-\xff]+) HTTP/1\.([01])\r\n")
_FIELD = re.compile(rb"(%b++):(%b*+)\r\n" % (_TOKEN, _TEXT))
_FIELDS = re.compile(rb"(?:%b++:%b*+\r\n)*+" % (_TOKEN, _TEXT))
_HOST = re.compile(rb"[!$&'()*+,.:;=%\[\]_~0-9A-Za-z-]*")
_ABSOLUTE = re.compile(rb"https?://(%b+)((?:[/?].*)?)" % _HOST.pattern[:-1], re.IGNORECASE | re.DOTALL)
_TRAILER_FIELDS = re.compile(_FIELDS.pattern + rb"\r\n")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;%b*)?\r\n" % _TEXT)
# Twice in a message they are not two of something but a contradiction.
_SINGLE = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding"})

# What comes next: a header, the rest of a body of known length, a chunk's first line, its data, the line end
# behind them, the fields behind the last chunk; or nothing, as the message is complete.
_HEADER, _BODY, _CHUNK, _DATA, _DATA_END, _TRAILER, _COMPLETE = range(7)


class ParseError(Exception):
    """This is no request: the status to answer, and what is wrong, which quotes nothing of the request."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Head:
    """A request without its body, with what gunicorn's protocol asks it for."""

    __slots__ = (
        "chunked", "content_length", "expects_continue", "headers_bytes", "method", "must_close", "path",
        "query", "raw_path", "scheme", "version",
    )  # fmt: skip

    method: str
    raw_path: bytes
    path: str
    query: str
    version: tuple[int, int]
    scheme: str
    headers_bytes: list[tuple[bytes, bytes]]  # names in lower case
    content_length: int
    chunked: bool
    must_close: bool
    expects_continue: bool

    def should_close(self) -> bool:
        """Whether the client wants no further answer on this connection."""
        return self.must_close


class RequestParser:
    """Parses one request after another. What comes behind a complete one waits for `go_on`.

    `on_head` gets each `Head`, `on_body` pieces of the body (one for each `feed` at most), and `on_complete`
    is called at the end of the message.
    """

    def __init__(
        self,
        scheme: str,
        on_head: Callable[[Head], None],
        on_body: Callable[[bytes], None],
        on_complete: Callable[[], None],
    ) -> None:
        self._scheme = scheme
        self._on_head = on_head
        self._on_body = on_body
        self._on_complete = on_complete
        self._buffer = bytearray()
        self._state = _HEADER
        self._looked = 0  # so many bytes of the buffer have no end of a header in them
        self._left = 0  # bytes of the body, or of the chunk, that are still to come

    @property
    def waiting(self) -> int:
        """How many bytes were fed behind the end of the message."""
        return len(self._buffer)

    def remaining(self) -> bytes:
        """What was fed behind the end of the message."""
        return bytes(self._buffer)

    def go_on(self) -> None:
        """Let the next `feed`, of nothing if need be, begin with what waits."""
        self._state = _HEADER
        self._looked = 0

    def feed(self, data: bytes) -> None:
        """Take in what has come. Raises ParseError; after that nothing may be fed any more."""
        self._buffer += data
        if self._state == _HEADER:
            self._header()
        if self._state == _BODY:
            self._body()
        elif self._state not in (_HEADER, _COMPLETE):
            self._chunks()

    # -- the header ---

    def _header(self) -> None:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", self._looked)
        if end < 0:
            # Or it would be an end that never comes.
            if _BARE_LF.search(buffer, max(0, self._looked - 1)):
                _wrong("a line's end")
            self._looked = max(0, len(buffer) - 3)
            if len(buffer) > HEADER_LIMIT or buffer.find(b"\r\n", 0, LINE_LIMIT + 2) < 0:
                _check_sizes(bytes(buffer))
            return
        block = bytes(buffer[: end + 2])
        del buffer[: end + 4]
        head = parse_head(block)
        head.scheme = self._scheme
        self._left = head.content_length
        self._state = _CHUNK if head.chunked else _BODY
        self._on_head(head)

    # -- the body ---

    def _body(self) -> None:
        buffer = self._buffer
        if self._left:
            piece = bytes(buffer[: self._left])
            del buffer[: len(piece)]
            self._left -= len(piece)
            if piece:
                self._on_body(piece)
        if not self._left:
            self._state = _COMPLETE
            self._on_complete()

    def _chunks(self) -> None:
        """Go through what has come of a chunked body, and pass it on in one piece."""
        buffer, pieces, at = self._buffer, [], 0
        while True:
            if self._state == _CHUNK:
                line = _CHUNK_LINE.match(buffer, at)
                if line is None:
                    if len(buffer) - at > _CHUNK_LINE_LIMIT or b"\n" in buffer[at:]:
                        _wrong("a chunk's size")
                    break
                at = line.end()
                self._left = int(line[1], 16)
                self._state = _DATA if self._left else _TRAILER
            elif self._state == _DATA:
                piece = bytes(buffer[at : at + self._left])
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._state = _DATA_END
            elif self._state == _DATA_END:
                if len(buffer) - at < 2:
                    break
                if buffer[at : at + 2] != b"\r\n":
                    _wrong("a chunk's end")
                at += 2
                self._state = _CHUNK
            else:  # fields that nobody here asks for, and the end
                trailer = _TRAILER_FIELDS.match(buffer, at)
                if trailer is not None:
                    at = trailer.end()
                    self._state = _COMPLETE
                elif len(buffer) - at > LINE_LIMIT:
                    raise ParseError(431, "The trailer is too large.")
                elif b"\r\n\r\n" in buffer[at:]:
                    _wrong("a field of the trailer")
                break
        del buffer[:at]
        if body := b"".join(pieces):
            self._on_body(body)
        if self._state == _COMPLETE:
            self._on_complete()


def parse_head(block: bytes) -> Head:
    """The request line and the fields in `block`, each with its line end. Raises ParseError."""
    line = _REQUEST_LINE.match(block)
    if line is None or len(block) > LINE_LIMIT:
        _check_sizes(block)
    if line is None:
        _wrong("the request line")
    if not _FIELDS.fullmatch(block, line.end()):
        _wrong("a header field")
    fields = [(name.lower(), value.strip(b" \t")) for name, value in _FIELD.findall(block, line.end())]
    if len(fields) > FIELDS_LIMIT:
        raise ParseError(431, "There are too many header fields.")
    known = dict(fields)
    if len(known) != len(fields):
        names = [name for name, _ in fields if name in _SINGLE]
        if len(names) != len(set(names)):
            _wrong("a header field that is there twice")
    head = Head()
    head.method = line[1].decode()
    head.version = (1, 0) if line[3] == b"0" else (1, 1)
    head.headers_bytes = fields
    host = known.get(b"host", b"" if head.version == (1, 0) else None)
    if host is None or not _HOST.fullmatch(host):
        _wrong("`Host`")
    _target(head, line[2])
    _framing(head, known)
    head.expects_continue = known.get(b"expect", b"").lower() == b"100-continue"
    head.must_close = head.version == (1, 0) or (
        b"connection" in known
        and any(
            token.strip().lower() == b"close"
            for name, value in fields
            if name == b"connection"
            for token in value.split(b",")
        )
    )
    return head


def _target(head: Head, target: bytes) -> None:
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is not None:
            # Its host counts, not the field's (RFC 9112, 3.2.2).
            fields = [field for field in head.headers_bytes if field[0] != b"host"]
            head.headers_bytes = [(b"host", absolute[1]), *fields]
            target = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
        elif head.method != ("OPTIONS" if target == b"*" else "CONNECT"):
            _wrong("the request target")
    head.raw_path, _, query = target.partition(b"?")
    head.query = query.decode("latin-1")
    head.path = unquote_to_bytes(head.raw_path).decode("utf-8", "replace")


def _framing(head: Head, known: dict[bytes, bytes]) -> None:
    """How the body ends. Whatever could be read in two ways is refused, and the connection with it."""
    length, coding = known.get(b"content-length"), known.get(b"transfer-encoding")
    head.chunked = coding is not None
    head.content_length = 0
    if coding is not None:
        if length is not None or head.version == (1, 0) or coding.lower() != b"chunked":
            _wrong("`Transfer-Encoding`")
    elif length is not None:
        if not length.isdigit():
            _wrong("`Content-Length`")
        if len(length) > 18:
            raise ParseError(413, "The body is too large.")
        head.content_length = int(length)


def _check_sizes(block: bytes) -> None:
    """Raises ParseError if a header, or what has come of it, is larger than it may be."""
    lines = block.split(b"\r\n")
    if len(lines[0]) > LINE_LIMIT:
        raise ParseError(414, "The request line is too long.")
    if len(block) > HEADER_LIMIT or any(len(line) > LINE_LIMIT for line in lines):
        raise ParseError(431, "The header is too large.")


def _wrong(what: str) -> NoReturn:
    raise ParseError(400, f"This is not valid HTTP: {what}.")
