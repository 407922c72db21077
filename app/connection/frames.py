"""WebSocket frames (RFC 6455), without any input or output: bytes in, messages out.

In place of gunicorn's own, which has no limit of size, unmasks byte by byte in Python, never answers invalid
UTF-8, and lets through reserved opcodes, oversized or fragmented control frames, a new message inside a
fragmented one, and close codes that must not be on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_KNOWN = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))

NORMAL, GOING_AWAY, PROTOCOL_ERROR, NO_STATUS = 1000, 1001, 1002, 1005
INVALID_DATA, POLICY_VIOLATION, TOO_BIG, TRY_AGAIN_LATER = 1007, 1008, 1009, 1013
ABNORMAL = 1006  # never on the wire: the connection ended without a close frame


class FrameError(Exception):
    """The client broke the protocol: `code` and `reason` are what the close frame is to say."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class FrameParser:
    """The frames of one client. Messages may have `limit` bytes; no more than one of them is kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._opcode = CONTINUATION  # of the message that is being put together; CONTINUATION: none
        self._message = bytearray()

    @property
    def held(self) -> int:
        """Bytes of what is unfinished."""
        return len(self._buffer) + len(self._message)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The whole messages (TEXT, BINARY) and control frames that `data` completes: opcode and payload.

        TEXT payloads are valid UTF-8. Raises FrameError; after that nothing may be fed any more.
        """
        self._buffer += data
        while True:
            frame = self._frame()
            if frame is None:
                return
            opcode, final, payload = frame
            if opcode >= CLOSE:
                yield opcode, payload
                continue
            if opcode != CONTINUATION:
                self._opcode = opcode
            if not final:
                self._message += payload
                continue
            if self._message:
                payload = bytes(self._message + payload)
                self._message = bytearray()
            opcode, self._opcode = self._opcode, CONTINUATION
            if opcode == TEXT:
                check_utf8(payload)
            yield opcode, payload

    def _frame(self) -> tuple[int, bool, bytes] | None:
        """The next whole frame, taken out of the buffer: opcode, whether it is final, payload."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, length = buffer[0], buffer[1]
        if first & 0x70:
            raise FrameError(PROTOCOL_ERROR, "no extension was agreed on")
        opcode, final = first & 0x0F, bool(first & 0x80)
        if opcode not in _KNOWN:
            raise FrameError(PROTOCOL_ERROR, "reserved opcode")
        if not length & 0x80:
            raise FrameError(PROTOCOL_ERROR, "frame is not masked")
        length &= 0x7F
        if opcode >= CLOSE:
            if length > 125 or not final:
                raise FrameError(PROTOCOL_ERROR, "control frame is too long or fragmented")
        elif (opcode == CONTINUATION) != (self._opcode != CONTINUATION):
            raise FrameError(PROTOCOL_ERROR, "fragments are out of order")
        start = 2
        if length >= 126:
            start += 2 if length == 126 else 8
            if len(buffer) < start:
                return None
            shortest = 126 if length == 126 else 65536
            length = int.from_bytes(buffer[2:start])
            if length < shortest or length >> 63:
                raise FrameError(PROTOCOL_ERROR, "length is not encoded as it must be")
        # Looked at before the payload has come, so that no more than the limit is ever kept.
        if len(self._message) + length > self._limit:
            raise FrameError(TOO_BIG, f"messages may have {self._limit} bytes")
        end = start + 4 + length
        if len(buffer) < end:
            return None
        payload = unmask(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
        del buffer[:end]
        return opcode, final, payload


def unmask(payload: bytes, key: bytes) -> bytes:
    """`payload` with the mask of four bytes taken off (or put on), as one operation on two large numbers."""
    length = len(payload)
    mask = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(length)


def check_utf8(payload: bytes) -> None:
    """Raises FrameError unless it is valid UTF-8."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_DATA, "text is not UTF-8") from None


def encode(opcode: int, payload: bytes) -> bytes:
    """One whole, unmasked frame: what a server sends."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    if length < 65536:
        return bytes((0x80 | opcode, 126)) + length.to_bytes(2) + payload
    return bytes((0x80 | opcode, 127)) + length.to_bytes(8) + payload


def encode_close(code: int, reason: str = "") -> bytes:
    """A close frame; NO_STATUS becomes one without a code. `reason`: ASCII, cut to 123 bytes."""
    if code == NO_STATUS:
        return encode(CLOSE, b"")
    return encode(CLOSE, code.to_bytes(2) + reason.encode("ascii", "replace")[:123])


def close_code(payload: bytes) -> int:
    """The code in a client's close frame, NO_STATUS if it has none. Raises FrameError if not allowed."""
    if not payload:
        return NO_STATUS
    code = int.from_bytes(payload[:2])
    registered = code in (1000, 1001, 1002, 1003) or 1007 <= code <= 1014
    if len(payload) == 1 or not (registered or 3000 <= code <= 4999):
        raise FrameError(PROTOCOL_ERROR, "close code is not allowed")
    check_utf8(payload[2:])
    return code
