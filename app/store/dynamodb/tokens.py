"""API tokens in DynamoDB."""

from __future__ import annotations

from dataclasses import replace

from app.store import records
from app.store.dynamodb.table import TRIES, Item, Table, Write, encode, key, number, pause
from app.store.errors import (
    AccountEnded,
    AlreadyRotated,
    Conflict,
    LimitReached,
    NoSuchToken,
    StoreUnavailable,
)
from app.store.records import KEEP_ENDED_SECONDS, OPERATOR, TokenRecord

# DynamoDBTokens has a method `list`, which hides the type in its annotations.
Items = list[Item]
Writes = list[Write]


def token_keys(record: TokenRecord) -> tuple[Item, Item]:
    """The keys of a token's two items: by digest, by owner."""
    return key(f"token#{record.digest}", "token"), key(f"owner#{record.owner}", f"token#{record.id}")


def token_record(item: Item) -> TokenRecord:
    """The record in an item of either kind."""
    # `until`: the expiry as it was, once `expires_at` only says when the revoked token's items may go.
    until: Item = item.get("until") or item.get("expires_at") or {}
    return TokenRecord(
        id=item["id"]["S"],
        owner=item["owner"]["S"],
        name=item["name"]["S"],
        digest=item["digest"]["S"],
        created_at=int(item["created_at"]["N"]),
        expires_at=int(until["N"]) if "N" in until else None,
        revoked_at=number(item, "revoked_at"),
        rotated_to=item["rotated_to"]["S"] if "rotated_to" in item else None,
        last_used_on=item["last_used_on"]["S"] if "last_used_on" in item else None,
    )


def in_order(found: list[TokenRecord]) -> list[TokenRecord]:
    """Oldest first."""
    return sorted(found, key=lambda record: (record.created_at, record.id))


class DynamoDBTokens(Table):
    """`app.store.Tokens`. Both items of a token are alike, but for `last_used_on`, and change together."""

    def ping(self) -> None:
        """See `Store.ping`. A look-up of a key that cannot exist: needs no permission that look-ups don't."""
        self.find("-")

    def find(self, digest: str) -> TokenRecord | None:
        """See `Tokens.find`."""
        item = self._get(key(f"token#{digest}", "token"))
        return token_record(item) if item else None

    def list(self, owner: str) -> list[TokenRecord]:
        """See `Tokens.list`."""
        return in_order([token_record(item) for item in self._query(f"owner#{owner}", "token#")])

    def _find_by_owner(self, owner: str, token_id: str) -> TokenRecord | None:
        item = self._get(key(f"owner#{owner}", f"token#{token_id}"))
        return token_record(item) if item else None

    def _new_items(self, record: TokenRecord) -> Writes:
        attributes = encode(
            {
                "id": record.id,
                "owner": record.owner,
                "name": record.name,
                "digest": record.digest,
                "created_at": record.created_at,
                "expires_at": record.expires_at,
                "revoked_at": record.revoked_at,
                "rotated_to": record.rotated_to,
            }
        )
        return [self._put(at | attributes) for at in token_keys(record)]

    def add(self, record: TokenRecord) -> None:
        """See `Tokens.add`."""
        new = self._new_items(record)
        for attempt in range(TRIES):
            owned = self._owner_writes(record.owner, record.created_at, rotating=False)
            failed = self._transact(new + owned)
            if not failed:
                return
            if failed & {0, 1}:
                raise Conflict(f"token {record.id} exists")
            pause(attempt)  # the account changed since it was read
        raise StoreUnavailable(f"account {record.owner} changes too fast")

    def _owner_writes(self, owner: str, now: int, *, rotating: bool) -> Writes:
        """What a new token changes for an account: its version, and what ended long ago goes."""
        if owner == OPERATOR:
            return []
        items = self._query(f"owner#{owner}")
        version = self.account_version(items)
        tokens = in_order([token_record(item) for item in items if item["sk"]["S"].startswith("token#")])
        live = [record for record in tokens if record.valid_at(now)]
        counted = len(live) if rotating else sum(1 for record in live if record.rotated_to is None)
        most = records.MOST_TOKENS_ROTATING if rotating else records.MOST_TOKENS
        if counted >= most or len(live) >= records.MOST_TOKENS_ROTATING:
            raise LimitReached(f"an account may have {records.MOST_TOKENS} tokens")
        ended = [record for record in tokens if not record.valid_at(now)]
        old = ended[: max(0, len(ended) - records.ENDED_TOKENS_LISTED)][:20]
        return [self.raise_version(owner, version)] + [
            self._delete(at) for record in old for at in token_keys(record)
        ]

    @staticmethod
    def account_version(items: Items) -> int:
        """The version of the account among `items`. Raises AccountEnded unless it is there and enabled."""
        for item in items:
            if item["sk"]["S"] == "account" and "disabled_at" not in item:
                return int(item["version"]["N"])
        raise AccountEnded("there is no such account, or it is disabled")

    def raise_version(self, account_id: str, version: int) -> Write:
        """Part of what adds something to an account; fails if that changed since it was read."""
        return self._update(
            key(f"owner#{account_id}", "account"),
            "SET version = version + :one",
            "version = :version AND attribute_not_exists(disabled_at)",
            one=1,
            version=version,
        )

    def revoke_writes(self, record: TokenRecord, now: int) -> Writes:
        """The writes that revoke a token, and let TTL remove it in a while."""
        gone_at = now + KEEP_ENDED_SECONDS
        until = {"NULL": True} if record.expires_at is None else {"N": str(record.expires_at)}
        return [
            # Never makes an item anew that TTL removed meanwhile; the first revocation's time stands.
            self._update(
                at,
                "SET revoked_at = if_not_exists(revoked_at, :now), #until = if_not_exists(#until, :until), "
                "expires_at = :gone",
                now=now,
                until=until,
                gone=gone_at if record.expires_at is None else min(gone_at, record.expires_at),
            )
            for at in token_keys(record)
        ]

    def revoke(self, owner: str, token_id: str, now: int) -> TokenRecord | None:
        """See `Tokens.revoke`."""
        record = self._find_by_owner(owner, token_id)
        if record is None or record.revoked_at is not None:
            return record
        if self._transact(self.revoke_writes(record, now)):
            # One of the two items went (TTL) since we read it: the token is gone either way unless it is not.
            if self.find(record.digest) is not None:
                raise StoreUnavailable(f"token {token_id} changed while it was being revoked; try again")
            return None
        return self._find_by_owner(owner, token_id)

    def rotate(self, owner: str, token_id: str, new: TokenRecord, old_until: int) -> TokenRecord:
        """See `Tokens.rotate`."""
        now = new.created_at
        for attempt in range(TRIES):
            owned = self._owner_writes(owner, now, rotating=True)
            old = self._find_by_owner(owner, token_id)
            if old is None or not old.valid_at(now):
                raise NoSuchToken(f"no usable token has the id {token_id!r}")
            if old.rotated_to is not None:
                raise AlreadyRotated(f"token {token_id} was rotated already, to {old.rotated_to}")
            until = old_until if old.expires_at is None else min(old.expires_at, old_until)
            rotated = [
                self._update(
                    at,
                    "SET rotated_to = :new, expires_at = :until",
                    "attribute_exists(pk) AND attribute_not_exists(revoked_at) "
                    "AND attribute_not_exists(rotated_to)",
                    new=new.id,
                    until=until,
                )
                for at in token_keys(old)
            ]
            if not self._transact(self._new_items(new) + owned + rotated):
                return replace(old, rotated_to=new.id, expires_at=until)
            pause(attempt)
        raise StoreUnavailable(f"token {token_id} changes too fast")

    def mark_used(self, owner: str, token_id: str, day: str) -> None:
        """See `Tokens.mark_used`. Only in the item that listings read: one cheap write."""
        self._write(
            self._update(
                key(f"owner#{owner}", f"token#{token_id}"),
                "SET last_used_on = :day",
                "attribute_exists(pk) AND (attribute_not_exists(last_used_on) OR last_used_on < :day)",
                day=day,
            )
        )
