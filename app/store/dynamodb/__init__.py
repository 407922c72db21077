"""The store on AWS: one DynamoDB table, in which every look-up on a request's way is one read of one item.

| item | pk | sk |
|---|---|---|
| a token, as the service looks it up | `token#<digest>` | `token` |
| the same, as its owner lists and revokes it | `owner#<owner>` | `token#<id>` |
| an account | `owner#<id>` | `account` |
| its name, so that there is only one such | `name#<folded name>` | `name` |
| a session, as the service looks it up | `session#<digest>` | `session` |
| the same, so that it ends with its account | `owner#<id>` | `session#<id>` |
| an invitation | `invitation#<digest>` | `invitation` |
| a count of attempts | `attempts#<key>` | `attempts` |
| something remembered | `remembered#<key>` | `remembered` |

`expires_at` is the table's TTL attribute; deletion may lag by days, so expiry is checked in code. No item
that somebody could use outlives the one by which it would be ended.

An account's items change only in transactions that also raise the account's `version`: so whoever disables it
has seen, and ends, everything it has, all or nothing. How much that can be is bounded (`app.store.records`).
"""

from app.store.dynamodb.accounts import DynamoDBAccounts
from app.store.dynamodb.attempts import DynamoDBAttempts
from app.store.dynamodb.sessions import DynamoDBSessions


class DynamoDBStore(DynamoDBAccounts, DynamoDBSessions, DynamoDBAttempts):
    """`app.store.Store` in an existing table; `timeout` seconds to connect, again to answer; two attempts."""
