"""What a drill is, and what came of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from stack.drill.stage import Stage

Outcome = Literal["pass", "FAIL", "not here"]


class NotSeenError(Exception):
    """What should have followed did not; the message says what was waited for, and what was seen instead."""


class NotHereError(Exception):
    """The environment lacks what the drill is about; the message says what."""


@dataclass(frozen=True)
class Drill:
    """One drill: its name, what it breaks and what should follow (a sentence each), and what does it.

    `alarms` are those it makes go off and does not pass without, by their logical ids.
    """

    name: str
    breaks: str
    expects: str
    run: Callable[[Stage], None]
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """Something that was seen, `after` so many seconds of its drill."""

    after: float
    what: str


@dataclass
class Result:
    """What came of a drill. `why` is empty where it passed; `series` are samples by name, for the plots."""

    drill: Drill
    outcome: Outcome = "pass"
    why: str = ""
    seconds: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
