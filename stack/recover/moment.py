"""The moment that `TO=` names, and whether a table can be restored to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from stack.errors import usage

LATEST = "latest"
_FORMS = "Give a time such as 2026-11-21T09:30:00Z, or TO=latest."


@dataclass(frozen=True)
class Window:
    """The moments that a table can be restored to, both ends included."""

    earliest: datetime
    latest: datetime


def parse(words: str | None) -> datetime | None:
    """Turn "latest" (None) or an ISO 8601 time, UTC unless it says otherwise, into a whole second.

    Raises a usage ToolError.
    """
    if not words:
        raise usage("It is not said to which moment the table is to be restored.", _FORMS)
    if words == LATEST:
        return None
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        raise usage(f'TO="{words}" is no time.', _FORMS) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(microsecond=0)


def within(wanted: datetime, window: Window) -> datetime:
    """The moment, if it is in the window. Raises a usage ToolError."""
    # A window's ends may have fractions of seconds, which a moment has not.
    if window.earliest.replace(microsecond=0) <= wanted <= window.latest:
        return max(wanted, window.earliest)
    early = wanted < window.earliest
    raise usage(
        f"{in_words(wanted)} is too {'early' if early else 'late'}: the table can be restored from "
        f"{in_words(window.earliest)} to {in_words(window.latest)}.",
        "Continuous backups begin when they are switched on, as for a new or a restored table, and go back "
        "35 days at most."
        if early
        else "The last minutes cannot be had yet; TO=latest takes what there is.",
    )


def in_words(moment: datetime) -> str:
    """The moment as `TO=` takes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
