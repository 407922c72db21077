"""Access logs of load balancers: a line for each request, delivered to the bucket that its attributes name.

Lines, object keys and intervals are AWS's. As there, a busy balancer delivers more than one object an
interval, and delivery is no promise: lines that wait when the process is killed are lost.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from localcloud import emulator, speed
from localcloud.balancer.turn import Turn

log = logging.getLogger("localcloud.balancer")

_INTERVAL_MINUTES = 5
#: So many lines make an object before the interval is over.
_MOST_LINES = 20_000
_UNSAFE = re.compile(r"[^\x20-\x7e]|[\"\\]")


@dataclass
class _Pending:
    bucket: str
    prefix: str
    lines: list[str] = field(default_factory=list)


class AccessLog:
    """The lines of all load balancers that have not been delivered. Lives on the event loop."""

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._delivering: set[asyncio.Task[None]] = set()

    def ended(self, turn: Turn) -> None:
        """Take a request that has been answered."""
        turn.count()
        if (where := turn.settings.access_logs) is None:
            return
        arn = turn.settings.load_balancer
        pending = self._pending.get(arn)
        if pending is None or (pending.bucket, pending.prefix) != where:
            self._deliver(arn)
            pending = self._pending[arn] = _Pending(*where)
        pending.lines.append(line(turn))
        if len(pending.lines) >= _MOST_LINES:
            self._deliver(arn)
        if self._timer is None:
            seconds = speed.minutes(_INTERVAL_MINUTES)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._interval_ended)

    def _interval_ended(self) -> None:
        self._timer = None
        for arn in list(self._pending):
            self._deliver(arn)

    def _deliver(self, arn: str) -> None:
        pending = self._pending.pop(arn, None)
        if pending is not None:
            task = asyncio.get_running_loop().create_task(_deliver(arn, pending))
            self._delivering.add(task)
            task.add_done_callback(self._delivering.discard)

    async def stop(self) -> None:
        """Deliver everything."""
        if self._timer:
            self._timer.cancel()
        self._interval_ended()
        await asyncio.gather(*self._delivering)


async def _deliver(arn: str, pending: _Pending) -> None:
    try:
        await _put(arn, pending)
    except Exception:
        log.exception("%d lines of access log are lost", len(pending.lines))


async def _put(arn: str, pending: _Pending) -> None:
    now = datetime.now(UTC)
    content = "".join(pending.lines).encode()
    body = await asyncio.to_thread(gzip.compress, content, 1)
    region, account = arn.split(":")[3:5]
    place = key(arn, pending.prefix, now)
    s3, responses = emulator.module("services.s3"), emulator.module("core.responses")
    with responses.request_scope(account, region):
        status, _, problem = s3._put_object(
            pending.bucket, place, body, {"content-type": "application/octet-stream"}
        )
    if status >= 300:
        log.warning(
            "%d lines of access log could not be written to %s: %s",
            len(pending.lines),
            pending.bucket,
            problem,
        )


def key(arn: str, prefix: str, end: datetime) -> str:
    """The object's key for an interval that ended at `end`."""
    region, account = arn.split(":")[3:5]
    name = _resource(arn).replace("/", ".")
    start = f"{prefix}/" if prefix else ""
    return (
        f"{start}AWSLogs/{account}/elasticloadbalancing/{region}/{end:%Y/%m/%d}/"
        f"{account}_elasticloadbalancing_{region}_{name}_{end:%Y%m%dT%H%MZ}_127.0.0.1_{secrets.token_hex(4)}.log.gz"
    )


def _resource(arn: str) -> str:
    """`app/name/id` of a load balancer."""
    return arn.partition(":loadbalancer/")[2]


def line(turn: Turn) -> str:
    """The line of a request, with its end."""
    settings, head, now = turn.settings, turn.head, time.perf_counter()
    secure = settings.protocol == "HTTPS"
    scheme = ("wss" if secure else "ws") if turn.upgraded else settings.protocol.lower()
    client = f"{turn.client[0]}:{turn.client[1]}"
    target = f"{turn.target[0]}:{turn.target[1]}" if turn.target else "-"
    before = during = after = -1.0
    if turn.forwarded is not None:
        before = turn.forwarded - turn.started
        if turn.from_target and turn.answered is not None:
            during, after = turn.answered - turn.forwarded, now - turn.answered
    request, agent = f"- {settings.protocol.lower()}://-:{settings.port}- -", "-"
    if head is not None:
        method, path, version = (part.decode("latin-1") for part in head.first)
        host = (head.get(b"host") or b"-").decode("latin-1").rpartition(":")
        name = host[0] if host[0] and host[2].isdigit() else "".join(host)
        request = f"{method} {settings.protocol.lower()}://{name}:{settings.port}{path} {version}"
        agent = (head.get(b"user-agent") or b"-").decode("latin-1")
    cipher, version = turn.cipher or ("-", "-")
    connection = hashlib.blake2s(f"{client} {settings.load_balancer}".encode(), digest_size=16).hexdigest()
    ended = datetime.fromtimestamp(turn.began + now - turn.started, UTC)
    fields = (
        scheme, _time(ended), _resource(settings.load_balancer), client, target,
        f"{before:.3f}", f"{during:.3f}", f"{after:.3f}", turn.status, turn.target_status,
        turn.received, turn.sent, _quoted(request), _quoted(agent), cipher, version,
        turn.group or "-", _quoted(turn.trace), '"-"', _quoted(settings.certificate if secure else "-"),
        turn.priority, _time(datetime.fromtimestamp(turn.began, UTC)),
        _quoted(",".join(turn.actions) or "-"), _quoted(turn.redirect), '"-"',
        _quoted(target), _quoted(turn.target_status), *map(_quoted, turn.classification),
        f"TID_{connection}", '"-"', '"-"', '"-"',
    )  # fmt: skip
    return " ".join(map(str, fields)) + "\n"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _quoted(text: str) -> str:
    """In quotes; what would break them or the line is written as AWS does, by its hexadecimal code."""
    return '"' + _UNSAFE.sub(_escaped, text) + '"'


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
