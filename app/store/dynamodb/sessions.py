"""Sessions in DynamoDB."""

from __future__ import annotations

from app.store import records
from app.store.dynamodb.table import TRIES, encode, key, pause
from app.store.dynamodb.tokens import DynamoDBTokens
from app.store.errors import Conflict, StoreUnavailable
from app.store.records import Session


class DynamoDBSessions(DynamoDBTokens):
    """`app.store.Sessions`.

    Only the item found by digest is extended; its companion under the account lasts to the session's very
    end, so that TTL never removes it first, and disabling the account always finds it.
    """

    def add_session(self, session: Session) -> None:
        """See `Sessions.add_session`."""
        by_digest = key(f"session#{session.digest}", "session")
        by_owner = key(f"owner#{session.account}", f"session#{session.id}")
        attributes = encode(
            {
                "id": session.id,
                "owner": session.account,
                "name": session.account_name,
                "digest": session.digest,
                "created_at": session.created_at,
                "ends_at": session.ends_at,
            }
        )
        new = [
            self._put(by_digest | attributes | encode({"expires_at": session.expires_at})),
            self._put(by_owner | attributes | encode({"expires_at": session.ends_at})),
        ]
        for attempt in range(TRIES):
            items = self._query(f"owner#{session.account}")
            version = self.account_version(items)
            others = [item for item in items if item["sk"]["S"].startswith("session#")]
            others.sort(key=lambda item: int(item["created_at"]["N"]), reverse=True)
            old = [
                self._delete(at)
                for item in others[records.MOST_SESSIONS - 1 :]
                for at in (
                    {"pk": item["pk"], "sk": item["sk"]},
                    key(f"session#{item['digest']['S']}", "session"),
                )
            ]
            failed = self._transact([*new, self.raise_version(session.account, version), *old])
            if not failed:
                return
            if failed & {0, 1}:
                raise Conflict(f"session {session.id} exists")
            pause(attempt)
        raise StoreUnavailable(f"account {session.account} changes too fast")

    def find_session(self, digest: str) -> Session | None:
        """See `Sessions.find_session`."""
        item = self._get(key(f"session#{digest}", "session"))
        if item is None:
            return None
        return Session(
            id=item["id"]["S"],
            account=item["owner"]["S"],
            account_name=item["name"]["S"],
            digest=item["digest"]["S"],
            created_at=int(item["created_at"]["N"]),
            expires_at=int(item["expires_at"]["N"]),
            ends_at=int(item["ends_at"]["N"]),
        )

    def extend_session(self, session: Session, expires_at: int) -> bool:
        """See `Sessions.extend_session`."""
        until = min(expires_at, session.ends_at)
        at = key(f"session#{session.digest}", "session")
        if self._write(
            self._update(
                at, "SET expires_at = :until", "attribute_exists(pk) AND expires_at < :until", until=until
            )
        ):
            return True
        return self._get(at) is not None  # extended further meanwhile, or ended

    def end_session(self, session: Session) -> None:
        """See `Sessions.end_session`."""
        self._transact(
            [
                self._delete(key(f"session#{session.digest}", "session")),
                self._delete(key(f"owner#{session.account}", f"session#{session.id}")),
            ]
        )
