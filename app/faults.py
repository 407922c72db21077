"""Faults on demand (`ECHO_FAULTS=on`, never in production), so that alarms, scaling and rollback can be seen.

`X-Echo-Fault: delay=0.5, status=503` on any route, from a token holder: wait half a second, then answer 503.
`crash` ends the worker that got the request, and another one takes its place; `crash=task` makes the whole
service give up with exit code 3, as if its workers could not start. `ECHO_RELEASE_FAULT` is a fault of the
release itself: it is for every request with a token that does not ask for another.
"""

from __future__ import annotations

import asyncio
import logging
import os

from gunicorn.arbiter import Arbiter

from app.gate import Gate
from app.http import Request
from app.problems import Problem

log = logging.getLogger("app.faults")

HEADER = b"x-echo-fault"
MOST_SECONDS = 60.0
_CRASH_EXIT_CODE = 70
_OF_RELEASE = {"errors": b"status=500", "slow": b"delay=2", "crash": b"crash"}


def parse(value: bytes) -> dict[str, str]:
    """The faults in a header's value: `delay` (seconds), `status`, `crash`. Raises Problem (400)."""
    faults: dict[str, str] = {}
    for part in value.decode("latin-1").split(","):
        name, _, argument = (piece.strip() for piece in part.partition("="))
        if name in faults or not _valid(name, argument):
            raise Problem(
                "bad-request",
                f"`X-Echo-Fault` takes `delay=SECONDS` (up to {MOST_SECONDS:g}), `status=CODE` (400 to 599), "
                "`crash` and `crash=task`, each once, separated by commas.",
            )
        faults[name] = argument
    return faults


def _valid(name: str, argument: str) -> bool:
    if name == "delay":
        try:
            return 0 <= float(argument) <= MOST_SECONDS
        except ValueError:
            return False
    if name == "status":
        return argument.isascii() and argument.isdigit() and 400 <= int(argument) <= 599
    return name == "crash" and argument in ("", "task")


def asked_for(request: Request, release_fault: str) -> bytes | None:
    """What a request asks for, or else runs into in this release; None for nothing."""
    usual = _OF_RELEASE.get(release_fault) if b"authorization" in request.headers else None
    return request.headers.get(HEADER, usual)


async def apply(request: Request, gate: Gate, fault: bytes) -> None:
    """Do what `fault` says; returns only if the route is to answer all the same. Raises Problem."""
    await gate.admit_bearer(request)
    faults = parse(fault)
    if "delay" in faults:
        await asyncio.sleep(float(faults["delay"]))
    if "crash" in faults:
        log.warning("crash asked for by token %s (request %s)", request.token_id, request.request_id)
        await asyncio.sleep(0.2)  # so that the line gets out
        os._exit(Arbiter.WORKER_BOOT_ERROR if faults["crash"] == "task" else _CRASH_EXIT_CODE)
    if "status" in faults:
        raise Problem("requested-fault", "The request asked for this fault.", status=int(faults["status"]))
