"""Accounts and invitations in DynamoDB."""

from __future__ import annotations

from app.store.dynamodb.table import TRIES, Item, Write, encode, key, number, pause
from app.store.dynamodb.tokens import DynamoDBTokens, token_keys, token_record
from app.store.errors import Conflict, InvitationRefused, StoreUnavailable
from app.store.records import Account, Invitation


def _account(item: Item) -> Account:
    return Account(
        id=item["id"]["S"],
        name=item["name"]["S"],
        password_hash=item["password_hash"]["S"],
        created_at=int(item["created_at"]["N"]),
        disabled_at=number(item, "disabled_at"),
    )


def _name_key(name: str) -> Item:
    return key(f"name#{name.lower()}", "name")


def _account_key(account_id: str) -> Item:
    return key(f"owner#{account_id}", "account")


class DynamoDBAccounts(DynamoDBTokens):
    """`app.store.Accounts`."""

    def add_account(self, account: Account, invitation: str | None = None) -> None:
        """See `Accounts.add_account`."""
        attributes = encode(
            {
                "id": account.id,
                "name": account.name,
                "password_hash": account.password_hash,
                "created_at": account.created_at,
                "disabled_at": account.disabled_at,
                "version": 1,
            }
        )
        writes = [
            self._put(_account_key(account.id) | attributes),
            self._put(_name_key(account.name) | encode({"id": account.id})),
        ]
        if invitation is not None:
            writes.append(
                self._delete(
                    key(f"invitation#{invitation}", "invitation"),
                    "attribute_exists(pk) AND expires_at > :now",
                    now=account.created_at,
                )
            )
        failed = self._transact(writes)
        if 2 in failed:
            raise InvitationRefused("the invitation is unknown, used or expired")
        if failed:
            raise Conflict(f"an account named {account.name!r} exists")

    def account_by_name(self, name: str) -> Account | None:
        """See `Accounts.account_by_name`. Always two reads, so that their time tells nothing."""
        named = self._get(_name_key(name))
        item = self._get(_account_key(named["id"]["S"] if named else "-"))
        return _account(item) if item else None

    def accounts(self) -> list[Account]:
        """See `Accounts.accounts`."""
        found: list[Account] = []
        with self._errors():
            pages = self._client.get_paginator("scan").paginate(
                TableName=self._table,
                FilterExpression="sk = :account",
                ExpressionAttributeValues={":account": {"S": "account"}},
                ConsistentRead=True,
            )
            for page in pages:
                found += [_account(item) for item in page["Items"]]
        return sorted(found, key=lambda account: (account.created_at, account.id))

    def set_password_hash(self, account_id: str, old: str, new: str) -> None:
        """See `Accounts.set_password_hash`."""
        self._write(
            self._update(
                _account_key(account_id), "SET password_hash = :new", "password_hash = :old", new=new, old=old
            )
        )

    def disable_account(self, account_id: str, now: int) -> Account | None:
        """See `Accounts.disable_account`. One transaction of at most 81 items."""
        for attempt in range(TRIES):
            items = self._query(f"owner#{account_id}")
            accounts = [item for item in items if item["sk"]["S"] == "account"]
            if not accounts:
                return None
            if "disabled_at" in accounts[0]:
                return _account(accounts[0])  # and all it had ended with it
            writes = [
                self._update(
                    _account_key(account_id),
                    "SET disabled_at = :now, version = version + :one",
                    "version = :version AND attribute_not_exists(disabled_at)",
                    now=now,
                    one=1,
                    version=int(accounts[0]["version"]["N"]),
                )
            ]
            writes += self._end_everything(items, now)
            if not self._transact(writes):
                return self._account_by_id(account_id)
            pause(attempt)  # it got a token or a session, or an item of it expired, since it was read
        raise StoreUnavailable(f"account {account_id} changes too fast")

    def _end_everything(self, items: list[Item], now: int) -> list[Write]:
        writes: list[Write] = []
        for item in items:
            kind, _, _ = item["sk"]["S"].partition("#")
            if kind == "token":
                record = token_record(item)
                if record.valid_at(now):
                    writes += self.revoke_writes(record, now)
            elif kind == "session":
                writes.append(self._delete({"pk": item["pk"], "sk": item["sk"]}))
                writes.append(self._delete(key(f"session#{item['digest']['S']}", "session")))
        return writes

    def _account_by_id(self, account_id: str) -> Account | None:
        item = self._get(_account_key(account_id))
        return _account(item) if item else None

    def enable_account(self, account_id: str) -> Account | None:
        """See `Accounts.enable_account`."""
        self._write(
            self._update(_account_key(account_id), "SET version = version + :one REMOVE disabled_at", one=1)
        )
        return self._account_by_id(account_id)

    def delete_account(self, account_id: str, now: int) -> bool:
        """See `Accounts.delete_account`.

        Disabled first, in one transaction: if the rest is cut short, nothing of it works any more. The
        account itself goes last, so that a repetition finds what is left.
        """
        account = self.disable_account(account_id, now)
        if account is None:
            return False
        for item in self._query(f"owner#{account_id}", "token#"):
            by_digest, by_owner = token_keys(token_record(item))
            self._transact([self._delete(by_digest), self._delete(by_owner)])
        failed = self._transact(
            [
                self._delete(
                    _account_key(account_id), "attribute_not_exists(pk) OR attribute_exists(disabled_at)"
                ),
                self._delete(_name_key(account.name)),
            ]
        )
        if failed:
            raise Conflict(f"account {account.name!r} was enabled while it was being deleted")
        return True

    def add_invitation(self, invitation: Invitation) -> None:
        """See `Accounts.add_invitation`."""
        attributes = encode({"created_at": invitation.created_at, "expires_at": invitation.expires_at})
        self._write(self._put(key(f"invitation#{invitation.digest}", "invitation") | attributes))

    def find_invitation(self, digest: str) -> Invitation | None:
        """See `Accounts.find_invitation`."""
        item = self._get(key(f"invitation#{digest}", "invitation"))
        if item is None:
            return None
        return Invitation(digest, int(item["created_at"]["N"]), int(item["expires_at"]["N"]))
