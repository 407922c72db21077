"""One look at an endpoint, by the rules of Route 53's health checkers."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass

import h11

from localcloud.dns import names
from localcloud.health.settings import ENDPOINTS, Config

#: What a checker waits for, in real seconds: a connection, one that is all there is to check, and an answer's
#: status, then its body.
_CONNECT_SECONDS = 4.0
_TCP_SECONDS = 10.0
_ANSWER_SECONDS = 2.0

#: So much of a body is searched.
_SEARCHED_BYTES = 5120


@dataclass(frozen=True)
class Observation:
    """What was seen; times in milliseconds, None where it did not come to that."""

    healthy: bool
    text: str
    connection: float | None = None
    handshake: float | None = None
    first_byte: float | None = None


class _FailedError(Exception):
    """The probe failed; the message says why."""


@dataclass
class _Times:
    connection: float | None = None
    handshake: float | None = None
    first_byte: float | None = None


async def probe(check_id: str, config: Config) -> Observation:
    """Probe once; never raises for what an endpoint does."""
    times = _Times()
    try:
        text = await _probe(check_id, config, times)
    except _FailedError as exc:
        return Observation(False, f"Failure: {exc}", times.connection, times.handshake, times.first_byte)
    return Observation(True, f"Success: {text}", times.connection, times.handshake, times.first_byte)


async def _probe(check_id: str, config: Config, times: _Times) -> str:
    kind, port = str(config["Type"]), int(config["Port"])
    host = str(config.get("FullyQualifiedDomainName") or config.get("IPAddress"))
    try:
        address = names.address(str(config.get("IPAddress") or host))
    except names.NotLocalError as exc:
        raise _FailedError(f"{exc}.") from exc
    begun = time.monotonic()
    try:
        async with asyncio.timeout(_TCP_SECONDS if kind == "TCP" else _CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(address, port)
    except TimeoutError as exc:
        raise _FailedError("Connection timed out.") from exc
    except OSError as exc:
        raise _FailedError(f"The connection was not established: {exc.strerror or exc}.") from exc
    times.connection = _milliseconds(begun)
    try:
        if kind == "TCP":
            return "TCP connection established."
        if kind.startswith("HTTPS"):
            await _encrypt(writer, host if config["EnableSNI"] else None, times)
        name = host if port == ENDPOINTS[kind] else f"{host}:{port}"
        return await _ask(reader, writer, check_id, name, config, times)
    except (OSError, h11.ProtocolError) as exc:
        raise _FailedError(f"The connection ended, or its answer is not HTTP: {exc}.") from exc
    finally:
        writer.close()


async def _encrypt(writer: asyncio.StreamWriter, sni: str | None, times: _Times) -> None:
    """TLS as the checkers speak it: 1.2 at most, and they do not look at certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    begun = time.monotonic()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await writer.start_tls(context, server_hostname=sni)
    except TimeoutError as exc:
        raise _FailedError("The TLS handshake timed out.") from exc
    except OSError as exc:
        raise _FailedError(f"The TLS handshake failed: {exc}.") from exc
    times.handshake = _milliseconds(begun)


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, check_id: str, host: str, config: Config,
    times: _Times,
) -> str:  # fmt: skip
    connection = h11.Connection(h11.CLIENT)
    agent = f"Amazon-Route53-Health-Check-Service (ref {check_id}; report http://amzn.to/1vsZADi)"
    headers = [
        ("Host", host),
        ("Connection", "close"),
        ("User-Agent", agent),
        ("Accept-Encoding", "identity"),
    ]
    path = "/" + str(config.get("ResourcePath") or "/").removeprefix("/")
    begun = time.monotonic()
    try:
        request = h11.Request(method="GET", target=path, headers=headers)
    except h11.LocalProtocolError as exc:
        raise _FailedError(f"ResourcePath or FullyQualifiedDomainName cannot be sent: {exc}.") from exc
    writer.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await _more(reader, connection)
            times.first_byte = _milliseconds(begun)
            while not isinstance(event := connection.next_event(), h11.Response):
                if event is h11.NEED_DATA:
                    await _more(reader, connection)
    except TimeoutError as exc:
        raise _FailedError("The endpoint did not answer within the timeout limit.") from exc
    words = f"HTTP Status Code {event.status_code}, {event.reason.decode('latin-1')}".rstrip(", ")
    if not 200 <= event.status_code < 400:
        raise _FailedError(f"{words}.")
    if str(config["Type"]).endswith("_STR_MATCH"):
        await _search(reader, connection, str(config["SearchString"]).encode())
    return words


async def _search(reader: asyncio.StreamReader, connection: h11.Connection, wanted: bytes) -> None:
    body = bytearray()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            while len(body) < _SEARCHED_BYTES and wanted not in body:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    await _more(reader, connection)
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
    except TimeoutError as exc:
        raise _FailedError("The body did not arrive within the timeout limit.") from exc
    if wanted not in body[:_SEARCHED_BYTES]:
        raise _FailedError(f"The first {_SEARCHED_BYTES:,} bytes of the body do not have the search string.")


async def _more(reader: asyncio.StreamReader, connection: h11.Connection) -> None:
    connection.receive_data(await reader.read(4096))


def _milliseconds(begun: float) -> float:
    return (time.monotonic() - begun) * 1000
