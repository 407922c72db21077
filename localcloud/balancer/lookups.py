"""What the records say, looked up again only when they may have changed: every request asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Lookups:
    """Remembers what look-ups found, until the next `changed`."""

    def __init__(self) -> None:
        self._changes = 0

    def changed(self) -> None:
        """The records may have changed."""
        self._changes += 1

    def of(self, look_up: Callable[[str], T], arn: str) -> Callable[[], T]:
        """What `look_up` says of `arn`, as a function that looks only if it has to."""
        seen = -1
        found: T

        def get() -> T:
            nonlocal seen, found
            if seen != self._changes:
                # Noted first: of a change while this looks, the next call takes care.
                seen = self._changes
                found = look_up(arn)
            return found

        return get
