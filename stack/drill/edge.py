"""Drills with requests that should not get through: scripts, and bodies that are too large."""

from __future__ import annotations

import http.client

from stack.drill.drill import Drill, NotHereError, NotSeenError
from stack.drill.stage import Stage
from stack.drill.traffic import Traffic, headers
from stack.errors import ToolError

_SCRIPT = "<script>alert(document.cookie)</script>"
# One MiB is taken; this is not.
_TOO_LARGE = 1024 * 1024 + 1
_PIECE = b"x" * 65536
_MINUTES = 15.0
# Scripts in the alarm's five minutes; at the drill's rate they are more than twice as many.
_MOST = 5000
# Requests of others, before and after, that say whether somebody noticed.
_OTHERS = 40


def script(stage: Stage) -> None:
    """Send scripts until the web ACL's alarm stands; every one has to be stopped before the service."""
    _check_surge(stage)
    stage.wait_for_calm("monitoring", "WebAclAlarm", _MINUTES)
    with stage.sampled((("monitoring", "WebAclAlarm"),)):
        with stage.traffic(text=_SCRIPT, right=403) as scripts:
            stage.wait("scripts are sent", lambda: len(scripts.answered) > _OTHERS, 2.0)
            _all_stopped(scripts)
            stage.wait_for_alarm("monitoring", "WebAclAlarm", "ALARM", _MINUTES)
        _all_stopped(scripts)
        stage.note(f"each was refused by the web ACL: {scripts.summary()}")
        harmless = stage.echo("no script")
        if harmless != 200:
            raise NotSeenError(f"a harmless string was answered {harmless}")
        stage.note("a harmless string comes back all the same")
        stage.wait_for_alarm("monitoring", "WebAclAlarm", "OK", _MINUTES)


def _all_stopped(scripts: Traffic) -> None:
    if scripts.lost:
        raise NotSeenError(f"scripts were answered {scripts.summary()}, not 403 each")


def _check_surge(stage: Stage) -> None:
    """Raise a NotHereError where the web ACL may refuse more than a drill sends before its alarm stands."""
    stage.resource("edge", "WebAccessControl")
    name = stage.resource("monitoring", "WebAclAlarm")
    (alarm,) = stage.cloud.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if alarm.get("Threshold", 0) > _MOST:
        raise NotHereError(
            f"WebAclAlarm takes {alarm['Threshold']:.0f} refusals, more than a drill should send"
        )


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
        largest = stage.echo("x" * 4000)
        if largest != 200:
            raise NotSeenError(f"a string of 4,000 characters was answered {largest}")
        before = len(traffic.answered)
        stage.wait("others still are", lambda: len(traffic.answered) > before + _OTHERS, 2.0)
    if traffic.lost:
        raise NotSeenError(f"others noticed: {traffic.summary()}")
    stage.note(f"nobody else noticed: {traffic.summary()}")


def _large(stage: Stage, *, chunked: bool) -> int:
    """The status for a body that is too large. Raises a ToolError where there is no answer."""
    connection = stage.address.connection(30.0)
    length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(_TOO_LARGE)}
    try:
        connection.putrequest("POST", "/echo")
        for name, value in {**headers(stage.token), **length}.items():
            connection.putheader(name, value)
        connection.endheaders()
        left = _TOO_LARGE
        try:
            while left > 0:
                part = _PIECE[:left]
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
        ("WebAclAlarm",),
    ),
    Drill(
        "oversized",
        "Bodies of more than 1 MiB are sent, with a length and in chunks.",
        "Each is refused with 413, and nobody else notices.",
        oversized,
    ),
)
