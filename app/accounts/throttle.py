"""Who may try to log in or sign up now, and who has to wait.

Failures are counted in the store, so that all tasks count together, three ways:

- account and source: after `log_in_tries` failures each further try waits 1, 2, 4, ... 60 s;
- source: after ten times as many, against one machine that tries many accounts;
- account, from all sources: after ten times as many, against many machines that try one account. A source
  from which the account was logged in to in the last 30 days is exempt, and the wait is 30 s at most:
  strangers can slow down one another, and never lock the owner out.

A try is counted before the password is looked at, so that many at once count as many; success takes it back.
What has to wait is also remembered in this process, so that a flood does not reach the store.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.store import Store

LONGEST_WAIT, LONGEST_ACCOUNT_WAIT = 60, 30
LONGEST_SIGN_UP_WAIT = 3600
KNOWN_SECONDS = 30 * 86400
_MOST_REMEMBERED = 10_000


class MustWaitError(Exception):
    """Too many tries; `seconds` until the next may be made."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True)
class Try:
    """One try to log in that was let through; the keys under which it was counted."""

    pair: str
    counted: tuple[str, ...]
    known: str


def _key(*parts: str) -> str:
    # Hashed: neither names nor addresses stand in the store, and any text makes a sane key.
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Throttle:
    """The throttle of one process. Safe to use from several threads."""

    def __init__(self, log_in_tries: int, sign_up_tries: int, now: Callable[[], float] = time.time) -> None:
        self._log_in_tries = log_in_tries
        self._sign_up_tries = sign_up_tries
        self._now = now
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def _attempt(self, store: Store, key: str, free: int, longest: int) -> None:
        now = self._now()
        with self._lock:
            until = self._until.get(key, 0.0)
        if now < until:
            raise MustWaitError(max(1, round(until - now)))
        seconds = store.attempt(key, free, longest, int(now))
        if seconds:
            with self._lock:
                while len(self._until) >= _MOST_REMEMBERED:
                    del self._until[next(iter(self._until))]
                self._until[key] = now + seconds
            raise MustWaitError(seconds)

    def log_in(self, store: Store, name: str, source: str) -> Try:
        """Count a try to log in to the account `name` from `source`, or raise MustWaitError."""
        name = name.lower()
        known = _key("known", name, source)
        pair = _key("pair", name, source)
        ways = [
            (pair, self._log_in_tries, LONGEST_WAIT),
            (_key("source", source), self._log_in_tries * 10, LONGEST_WAIT),
        ]
        if not store.remembers(known, int(self._now())):
            ways.append((_key("account", name), self._log_in_tries * 10, LONGEST_ACCOUNT_WAIT))
        counted: list[str] = []
        for key, free, longest in ways:
            try:
                self._attempt(store, key, free, longest)
            except MustWaitError:
                for before in counted:
                    store.forgive(before, everything=False)
                raise
            counted.append(key)
        return Try(pair, tuple(counted), known)

    def logged_in(self, store: Store, this: Try) -> None:
        """Take back what `log_in` counted: it was no failure."""
        for key in this.counted:
            store.forgive(key, everything=key == this.pair)
        store.remember(this.known, int(self._now()) + KNOWN_SECONDS)

    def sign_up(self, store: Store, source: str) -> None:
        """Count a sign-up from `source`, whatever comes of it, or raise MustWaitError."""
        self._attempt(store, _key("sign-up", source), self._sign_up_tries, LONGEST_SIGN_UP_WAIT)
