"""A client of the service as others are: through its address, each request on a connection of its own."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import secrets
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.connection import frames

# Requests that take longer have failed.
SECONDS = 10.0
_CHUNK = 65536
_PROBLEM = "application/problem+json"


class ProbeError(Exception):
    """No echo came back; the message says what did."""


class RefusedError(ProbeError):
    """The token was refused, by the service itself."""


class StoppedError(ProbeError):
    """Something before the service answered 403; the service's own refusals are problem documents."""


@dataclass(frozen=True)
class Answer:
    """What was answered. `by_service`: it is a problem document, as the service's own refusals are."""

    status: int
    by_service: bool
    body: bytes

    def __str__(self) -> str:
        return f"{self.status} {self.body[:200].decode('utf-8', 'replace')}".strip()


@dataclass(frozen=True)
class Client:
    """Where the service is, and the token to use. Every method raises ProbeError."""

    url: str
    token: str

    def echo(self, text: str, *, escaped: bool) -> tuple[str | None, float]:
        """POST `text`, its JSON all in ASCII or not; what came back (None: no string) and milliseconds."""
        answer, took = self.post(json.dumps({"str": text}, ensure_ascii=escaped).encode())
        _check(answer, 200)
        try:
            found = json.loads(answer.body)
        except ValueError:
            return None, took
        came = found.get("str") if isinstance(found, dict) and len(found) == 1 else None
        return (came if isinstance(came, str) else None), took

    def post(self, body: bytes, *, chunked: bool = False) -> tuple[Answer, float]:
        """POST `body` to /echo, in chunks or with its length before it; any answer, and milliseconds."""
        connection = self._connect()
        headers = self._headers({"Content-Type": "application/json"})
        try:
            begun = time.perf_counter()
            # Who refuses a body may have answered, and want no more of it.
            with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
                connection.request("POST", "/echo", _chunks(body) if chunked else body, headers)
            found = _answer(connection.getresponse())
            return found, (time.perf_counter() - begun) * 1000
        except (OSError, http.client.HTTPException) as error:
            raise ProbeError(f"no answer: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def websocket(self) -> EchoSocket:
        """An open WebSocket."""
        connection = self._connect()
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        try:
            connection.request(
                "GET",
                "/ws",
                headers=self._headers(
                    {
                        "Connection": "Upgrade",
                        "Upgrade": "websocket",
                        "Sec-WebSocket-Version": "13",
                        "Sec-WebSocket-Key": key,
                    }
                ),
            )
            answer = connection.getresponse()
            if answer.status != 101:
                _check(_answer(answer), 101)
            return EchoSocket(connection, answer)
        except ProbeError:
            connection.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ProbeError(f"no answer: {error or type(error).__name__}") from error

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "User-Agent": "echo-room-probe"} | more

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                parts.netloc, timeout=SECONDS, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=SECONDS)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise ProbeError(f"no connection: {error or type(error).__name__}") from error
        return connection


class EchoSocket:
    """An open WebSocket. It is made for answers that are echoes: one frame for each message."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer

    def echo(self, text: str) -> str | None:
        """Send `text`; what came back, None if it was no text. Raises RefusedError for close code 1008."""
        try:
            self._send(frames.TEXT, text.encode())
            while True:
                opcode, payload = self._receive()
                if opcode == frames.PING:
                    self._send(frames.PONG, payload)
                elif opcode == frames.CLOSE:
                    code = frames.close_code(payload)
                    kind = RefusedError if code == frames.POLICY_VIOLATION else ProbeError
                    raise kind(f"the WebSocket was closed with {code}")
                elif opcode != frames.PONG:
                    return payload.decode() if opcode == frames.TEXT else None
        except UnicodeDecodeError:
            return None
        except (OSError, frames.FrameError) as error:
            raise ProbeError(f"no answer on the WebSocket: {error or type(error).__name__}") from error

    def close(self) -> None:
        """Let go of the connection."""
        self._answer.close()
        self._connection.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        frame = frames.encode(opcode, payload)
        head = frame[: len(frame) - len(payload)]
        mask = secrets.token_bytes(4)
        masked = bytes((head[0], head[1] | 0x80)) + head[2:] + mask + frames.unmask(payload, mask)
        self._connection.sock.sendall(masked)

    def _receive(self) -> tuple[int, bytes]:
        first, length = self._read(2)
        if length >= 126:
            length = int.from_bytes(self._read(2 if length == 126 else 8))
        return first & 0x0F, self._read(length)

    def _read(self, count: int) -> bytes:
        # The response's buffer may hold the first frames already.
        found = self._answer.fp.read(count)
        if len(found) < count:
            raise ConnectionError("the connection ended")
        return found


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _CHUNK):
        yield body[start : start + _CHUNK]


def _answer(found: http.client.HTTPResponse) -> Answer:
    return Answer(found.status, found.headers.get_content_type() == _PROBLEM, found.read())


def _check(answer: Answer, expected: int) -> None:
    if answer.status == expected:
        return
    if answer.status == 401 and answer.by_service:
        raise RefusedError(str(answer))
    if answer.status == 403 and not answer.by_service:
        raise StoppedError(str(answer))
    raise ProbeError(str(answer))
