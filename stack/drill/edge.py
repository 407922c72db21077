"""Drills with requests that should not get through: scripts, and bodies that are too large."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from urllib.parse import urlsplit

from stack.drill.drill import Drill, NotHereError, NotSeenError
from stack.drill.stage import Stage
from stack.errors import ToolError
from stack.outside import web

_SCRIPT = "<script>alert(document.cookie)</script>"
# One MiB is taken; this is not.
_TOO_LARGE = 1024 * 1024 + 1
_MINUTES = 15.0
# Requests of others, before and after, that say whether somebody noticed.
_OTHERS = 40


def script(stage: Stage) -> None:
    """Send scripts until the web ACL's alarm stands; every one has to be stopped before the service."""
    surge = _surge(stage)
    stopped: Counter[int] = Counter()
    with stage.sampled((("monitoring", "WebAclAlarm"),)):
        for _ in range(surge):
            stopped[_post(stage, {"str": _SCRIPT}).status] += 1
        if set(stopped) != {403}:
            raise NotSeenError(f"scripts were answered {dict(stopped)}, not 403 each")
        stage.note(f"{surge} scripts were refused with 403 by the web ACL")
        harmless = _post(stage, {"str": "no script"}).status
        if harmless != 200:
            raise NotSeenError(f"a harmless string was answered {harmless}")
        stage.note("a harmless string comes back all the same")
        stage.wait_for_alarm("monitoring", "WebAclAlarm", "ALARM", _MINUTES)
        stage.wait_for_alarm("monitoring", "WebAclAlarm", "OK", _MINUTES)


def _surge(stage: Stage) -> int:
    """One more request than the alarm lets the web ACL refuse."""
    stage.resource("edge", "WebAccessControl")
    stage.resource("monitoring", "WebAclAlarm")
    name = stage.resource("monitoring", "WebAclAlarm")
    (alarm,) = stage.cloud.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if alarm.get("Threshold", 0) > 5000:
        raise NotHereError(
            f"WebAclAlarm takes {alarm['Threshold']:.0f} refusals, more than a drill should send"
        )
    return int(alarm["Threshold"]) + 1


def oversized(stage: Stage) -> None:
    """Send bodies over 1 MiB, announced and not; all have to be refused, and nobody else may notice."""
    with stage.traffic() as traffic:
        stage.wait("others are served", lambda: len(traffic.answered) > _OTHERS, 2.0)
        for way in ("announced", "chunked"):
            answer = _large(stage, chunked=way == "chunked")
            if answer not in (413, 403):
                raise NotSeenError(f"a body of {_TOO_LARGE} bytes, {way}, was answered {answer}, not 413")
            by = "the service" if answer == 413 else "the web ACL"
            stage.note(f"a body of {_TOO_LARGE} bytes, {way}, was refused by {by} with {answer}")
        largest = _post(stage, {"str": "x" * 4000}).status
        if largest != 200:
            raise NotSeenError(f"a string of 4,000 characters was answered {largest}")
        before = len(traffic.answered)
        stage.wait("others still are", lambda: len(traffic.answered) > before + _OTHERS, 2.0)
    if traffic.lost:
        raise NotSeenError(f"others noticed: {traffic.summary()}")
    stage.note(f"nobody else noticed: {traffic.summary()}")


def _post(stage: Stage, body: object) -> web.Answer:
    address = stage.address
    return web.request(
        "POST",
        address.url + "/echo",
        headers={"Authorization": f"Bearer {stage.token}", "Content-Type": "application/json"},
        body=json.dumps(body).encode(),
        seconds=15.0,
        context=address.context if address.is_https else None,
        at=address.at,
    )


def _large(stage: Stage, *, chunked: bool) -> int:
    """The status for a body that is too large; 0 where the connection ended without an answer."""
    address = stage.address
    connection = http.client.HTTPConnection(urlsplit(address.url).netloc, timeout=30)
    connection.sock = web.connect(
        address.url, 30.0, address.context if address.is_https else None, address.at
    )
    piece = b"x" * 65536
    try:
        connection.putrequest("POST", "/echo")
        connection.putheader("Authorization", f"Bearer {stage.token}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader(
            *(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(_TOO_LARGE)))
        )
        connection.endheaders()
        left = _TOO_LARGE
        try:
            while left > 0:
                part = piece[:left]
                connection.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                left -= len(part)
            if chunked:
                connection.send(b"0\r\n\r\n")
        except OSError:
            pass  # refused while it was being sent: the answer is there to be read
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(f"a body that is too large got no answer: {error or type(error).__name__}") from error
    finally:
        connection.close()


DRILLS = (
    Drill(
        "script",
        "Scripts are sent as strings, more than the web ACL's alarm takes.",
        "The web ACL refuses each before the service sees it, and its alarm stands.",
        script,
    ),
    Drill(
        "oversized",
        "Bodies of more than 1 MiB are sent, with a length and in chunks.",
        "Each is refused with 413, and nobody else notices.",
        oversized,
    ),
)
