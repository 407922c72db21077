"""Counts of attempts in DynamoDB."""

from __future__ import annotations

from app.store.dynamodb.table import TRIES, Table, encode, pause
from app.store.dynamodb.table import key as item_key
from app.store.records import ATTEMPTS_SECONDS, Attempts


class DynamoDBAttempts(Table):
    """`app.store.AttemptCounts`."""

    def attempt(self, key: str, free: int, longest: int, now: int) -> int:
        """See `AttemptCounts.attempt`.

        Written only if nobody else has written since it was read, so that many at once are counted as many.
        """
        at = item_key(f"attempts#{key}", "attempts")
        for attempt in range(TRIES):
            item = self._get(at)
            seen = Attempts()
            if item and int(item["expires_at"]["N"]) > now:
                seen = Attempts(int(item["tries"]["N"]), int(item["last_at"]["N"]))
            wait = seen.wait(free, longest, now)
            if wait:
                return wait
            attributes = encode(
                {
                    "tries": seen.count + 1,
                    "last_at": now,
                    "expires_at": now + max(ATTEMPTS_SECONDS, longest),
                }
            )
            if item is None:
                write = self._put(at | attributes)
            else:
                write = self._put(
                    at | attributes,
                    "tries = :tries AND last_at = :last",
                    tries=int(item["tries"]["N"]),
                    last=int(item["last_at"]["N"]),
                )
            if self._write(write):
                return 0
            pause(attempt)
        return 1  # so many at once that this one may as well wait

    def forgive(self, key: str, *, everything: bool) -> None:
        """See `AttemptCounts.forgive`."""
        at = item_key(f"attempts#{key}", "attempts")
        if everything:
            self._write(self._delete(at))
        else:
            self._write(
                self._update(at, "SET tries = tries - :one", "attribute_exists(pk) AND tries >= :one", one=1)
            )

    def remember(self, key: str, until: int) -> None:
        """See `AttemptCounts.remember`."""
        item = item_key(f"remembered#{key}", "remembered") | encode({"expires_at": until})
        self._write(self._put(item, "attribute_not_exists(pk) OR expires_at < :until", until=until))

    def remembers(self, key: str, now: int) -> bool:
        """See `AttemptCounts.remembers`."""
        item = self._get(item_key(f"remembered#{key}", "remembered"))
        return item is not None and int(item["expires_at"]["N"]) > now
