"""Is this token good? A dictionary look-up when it was verified lately, the store otherwise.

- A verified token is trusted for `token_cache_seconds`, a refusal for `refusal_cache_seconds`.
- One look-up is shared by all requests that wait for the same token, and runs in an executor.
- That a token is used is noted once a day and process, after a look-up; nobody waits for it.
- While the store does not answer, tokens verified within `store_outage_seconds` go on serving; everything
  else is 503, never 401 and never 200: it fails closed.

Belongs to one event loop; only the look-up itself leaves its thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from app import tokens
from app.lifecycle import Lifecycle
from app.problems import Problem, retry_later, unauthorized
from app.settings import Settings
from app.store import Store, StoreUnavailable, TokenRecord

log = logging.getLogger("app.auth")

# Distinct tokens being looked up at once. More than that is a flood of made-up (but well-formed) tokens or a
# store that hangs: the rest get a quick 503 instead of a growing queue.
MOST_LOOKUPS = 256
# After a failure the store is left alone for this long; meanwhile answers come from the cache or are 503.
BACK_OFF_SECONDS = 1.0


@dataclass(slots=True)
class _Verified:
    record: TokenRecord
    fresh_until: float
    stale_until: float


class Verifier:
    """Verifies tokens for one worker; `clock` is monotonic seconds, `now` seconds since 1970."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        settings: Settings,
        lifecycle: Lifecycle,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._executor = executor
        self._lifecycle = lifecycle
        self._clock = clock
        self._now = now
        self._fresh = settings.token_cache_seconds
        self._refusal = settings.refusal_cache_seconds
        self._outage = settings.store_outage_seconds
        self._size = settings.token_cache_size
        self._verified: dict[bytes, _Verified] = {}
        self._refused: dict[bytes, float] = {}  # until when
        self._used: dict[str, str] = {}  # token id: the last day on which its use was noted
        self._lookups: dict[bytes, asyncio.Task[TokenRecord | None]] = {}
        self._failing_since: float | None = None
        self._leave_alone_until = 0.0

    def cached(self, token: str) -> TokenRecord | None:
        """The record of a token that was verified lately, else None: the hot path, which never waits."""
        entry = self._verified.get(hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest())
        if entry is None or self._clock() >= entry.fresh_until or not entry.record.valid_at(self._now()):
            return None
        return entry.record

    async def verify(self, token: str) -> TokenRecord:
        """The record of a good token. Raises Problem: 401 if it is not one, 503 if nobody can say now."""
        record = self.cached(token)
        if record is not None:
            return record
        if not tokens.well_formed(token):
            if tokens.well_formed(token, tokens.SESSION):
                raise unauthorized("This is a session's token; the route takes API tokens.", presented=True)
            raise unauthorized(
                "This is not a token of this service; perhaps it was not copied whole.", presented=True
            )
        key = hashlib.sha256(token.encode("ascii")).digest()
        if self._clock() < self._refused.get(key, 0.0):
            raise self._refusal_problem()
        try:
            found = await self._look_up(key)
        except StoreUnavailable:
            entry = self._verified.get(key)
            if entry is None or self._clock() >= entry.stale_until:
                raise retry_later(
                    "store-unavailable", "Tokens cannot be verified at the moment.", 5
                ) from None
            found = entry.record
        if found is None or not found.valid_at(self._now()):
            raise self._refusal_problem()
        return found

    @staticmethod
    def _refusal_problem() -> Problem:
        return unauthorized("The token is unknown, expired or revoked.", presented=True)

    async def _look_up(self, key: bytes) -> TokenRecord | None:
        task = self._lookups.get(key)
        if task is None:
            if self._clock() < self._leave_alone_until:
                raise StoreUnavailable("it failed a moment ago")
            if len(self._lookups) >= MOST_LOOKUPS:
                raise StoreUnavailable("too many look-ups at once")
            task = asyncio.get_running_loop().create_task(self._ask_store(key))
            self._lookups[key] = task
            task.add_done_callback(lambda _: self._lookups.pop(key, None))
        # Shielded: a client that goes away must not take the answer from the others who wait for it.
        return await asyncio.shield(task)

    async def _ask_store(self, key: bytes) -> TokenRecord | None:
        loop = asyncio.get_running_loop()
        try:
            record = await loop.run_in_executor(self._executor, self._store.find, key.hex())
        except StoreUnavailable as error:
            self._failed(error)
            raise
        self._answered()
        self._remember(key, record)
        if record is not None and record.valid_at(self._now()):
            self._note_use(record)
        return record

    def _note_use(self, record: TokenRecord) -> None:
        day = time.strftime("%Y-%m-%d", time.gmtime(self._now()))
        if self._used.get(record.id) == day:
            return
        while len(self._used) >= self._size:
            del self._used[next(iter(self._used))]
        self._used[record.id] = day
        self._executor.submit(self._mark_used, record, day)

    def _mark_used(self, record: TokenRecord, day: str) -> None:
        """In the executor. A note that is lost is made again after the next look-up."""
        try:
            self._store.mark_used(record.owner, record.id, day)
        except StoreUnavailable as error:
            self._used.pop(record.id, None)
            log.warning("use of token %s on %s not noted: %s", record.id, day, error)

    def _remember(self, key: bytes, record: TokenRecord | None) -> None:
        at = self._clock()
        self._verified.pop(key, None)
        self._refused.pop(key, None)
        if record is not None and record.valid_at(self._now()):
            _bounded(self._verified, self._size)
            self._verified[key] = _Verified(record, at + self._fresh, at + self._outage)
        else:
            _bounded(self._refused, self._size)
            self._refused[key] = at + self._refusal

    def _failed(self, error: Exception) -> None:
        at = self._clock()
        self._leave_alone_until = at + BACK_OFF_SECONDS
        if self._failing_since is None:
            self._failing_since = at
            log.error("token store unavailable: %s", error)
        if at - self._failing_since > self._outage:
            self._lifecycle.store_ready = False

    def _answered(self) -> None:
        if self._failing_since is not None:
            log.warning("token store answers again after %.1f s", self._clock() - self._failing_since)
        self._failing_since = None
        self._leave_alone_until = 0.0
        self._lifecycle.store_ready = True

    @property
    def failing(self) -> bool:
        """Whether the last thing the store did was to fail, or it has not answered at all yet."""
        return self._failing_since is not None or not self._lifecycle.store_ready

    async def probe(self) -> None:
        """Ask the store for a sign of life: warms it at the start, notices recovery without any traffic."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._executor, self._store.ping)
        except StoreUnavailable as error:
            self._failed(error)
        else:
            self._answered()


def _bounded(cache: dict[bytes, _Verified] | dict[bytes, float], size: int) -> None:
    """Make room for one entry: the one that was put in longest ago goes."""
    while len(cache) >= size:
        del cache[next(iter(cache))]
