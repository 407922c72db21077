"""One check of a deployed service: what was tested, whether it holds, what was seen."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stack.outside import web

# A check's name, and what does it: it returns what it saw, or raises.
Named = tuple[str, Callable[[], str]]
Checks = Iterator[Named]


@dataclass(frozen=True)
class Check:
    """One thing tested: what, whether it holds, what was seen, and how long it took in milliseconds."""

    name: str
    passed: bool
    seen: str
    milliseconds: int


class WrongError(AssertionError):
    """The service did not do what it should; the message says what it did."""


def must(condition: bool, seen: str) -> None:
    """Raise a WrongError that says what was seen, unless the condition holds."""
    if not condition:
        raise WrongError(seen)


def brief(answer: web.Answer) -> str:
    """An answer in a few words."""
    return f"{answer.status} {answer.body[:120].decode('utf-8', 'replace')}"


def do(name: str, check: Callable[[], str]) -> Check:
    """Do one check. Whatever a service can do wrong is a failed check, never an exception."""
    begun = time.monotonic()
    try:
        seen, passed = check(), True
    except WrongError as wrong:
        seen, passed = str(wrong), False
    except (OSError, http.client.HTTPException) as error:
        seen, passed = f"no answer: {error or type(error).__name__}", False
    except ValueError as error:
        seen, passed = f"not JSON: {error}", False
    return Check(name, passed, seen, round((time.monotonic() - begun) * 1000))
