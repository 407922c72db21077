"""The header by which a request can be followed: X-Amzn-Trace-Id."""

from __future__ import annotations

import re
import secrets
import time

_ROOT = re.compile(rb"(?:\A|;)\s*Root=")


def traced(given: bytes) -> bytes:
    """The header as it goes on: with a Root of its own where it had none, else with a new Self."""
    mark = b"1-%08x-%b" % (int(time.time()), secrets.token_hex(12).encode())
    if not given:
        return b"Root=" + mark
    if not _ROOT.search(given):
        return b"Root=%b;%b" % (mark, given)
    parts = [part for part in given.split(b";") if not part.strip().startswith(b"Self=")]
    return b";".join([b"Self=" + mark, *parts])
