"""Two tables of the service's own store compared, and what was ended in one of them ended in the other."""

from __future__ import annotations

import time
from dataclasses import replace

from app.store.records import OPERATOR
from stack.recover import compare, ending
from stack.recover.compare import Difference, Kind
from tests.app.store_records import account, session, token
from tests.stack.recover.conftest import Tables

NOW = int(time.time())


def differences(tables: Tables) -> Difference:
    return compare.tables(tables.live, tables.target, "expires_at")


def test_what_comes_back_is_lost_or_differs_is_told_by_kind(tables):
    store = tables.store
    store.add(token(1, OPERATOR, NOW))
    store.add(token(2, OPERATOR, NOW))
    store.attempt("somebody", 3, 60, NOW)
    tables.copy()
    assert not any(one.back or one.lost or one.changed for one in differences(tables).kinds.values())
    store.add_account(account(created_at=NOW))
    store.mark_used(OPERATOR, "t1", "2026-11-21")
    tables.live.dynamodb.delete_item(
        TableName=tables.live.name,
        Key={"pk": {"S": f"token#{token(2, OPERATOR, NOW).digest}"}, "sk": {"S": "token"}},
    )
    assert differences(tables).kinds == {
        "attempts": Kind(restored=1, live=1),
        "name": Kind(live=1, lost=1),
        "owner/account": Kind(live=1, lost=1),
        "owner/token": Kind(restored=2, live=2, changed=1),
        "token": Kind(restored=2, live=1, back=1),
    }
    assert not differences(tables).ended


def test_what_was_ended_since_is_found_as_the_service_ends_it_and_can_be_ended_again(tables):
    """Revoked and rotated tokens, sessions that were left, a disabled account with all that it had."""
    store = tables.store
    expired = replace(token(9, OPERATOR, NOW - 100), expires_at=NOW - 50)
    for one in (token(1, OPERATOR, NOW), token(2, OPERATOR, NOW), expired):
        store.add(one)
    store.add_account(account(created_at=NOW))
    store.add(token(3, "a1", NOW))
    for number in (4, 5):
        store.add_session(session(number, "a1", NOW))
    store.revoke(OPERATOR, "t2", NOW)
    tables.copy()
    store.revoke(OPERATOR, "t1", NOW + 1)
    store.revoke(OPERATOR, "t9", NOW + 1)
    assert store.disable_account("a1", NOW + 1)

    found = differences(tables)
    assert {(one.kind, one.id) for one in found.ended} == {
        ("token", "t1"),
        ("owner/token", "t1"),
        ("token", "t3"),
        ("owner/token", "t3"),
        ("owner/account", "a1"),
        *((kind, f"s{number}") for kind in ("session", "owner/session") for number in (4, 5)),
    }
    restored = type(store)(tables.target, timeout=5)
    good = token(1, OPERATOR, NOW)
    was = restored.find(good.digest)
    assert was
    assert was.valid_at(NOW + 2)

    ending.again(tables.live, tables.target, found.ended)
    assert differences(tables).ended == []
    for record in (good, token(3, "a1", NOW)):
        now = restored.find(record.digest)
        assert now is None or not now.valid_at(NOW + 2)
    assert restored.find_session(session(4, "a1", NOW).digest) is None
    (left,) = restored.accounts()
    assert left.disabled_at == NOW + 1


def test_an_item_that_vanished_since_it_was_compared_is_not_brought_back(tables):
    tables.store.add(token(1, OPERATOR, NOW))
    tables.copy()
    tables.store.revoke(OPERATOR, "t1", NOW)
    found = differences(tables).ended
    for one in found:
        tables.live.dynamodb.delete_item(TableName=tables.live.name, Key=dict(one.key))
    ending.again(tables.live, tables.target, found)
    assert tables.live.dynamodb.scan(TableName=tables.target)["Items"] == []


def test_kinds_are_told_by_keys_and_never_by_values():
    assert compare.kind_of([{"S": "token#abc"}, {"S": "token"}]) == "token"
    assert compare.kind_of([{"S": "owner#a1"}, {"S": "session#s1"}]) == "owner/session"
    assert compare.kind_of([{"S": "alice"}, {"S": "x#y"}]) == "items"
    assert compare.kind_of([{"N": "1"}]) == "items"


def test_a_set_in_another_order_is_no_difference(tables):
    client, key = tables.live.dynamodb, {"pk": {"S": "a"}, "sk": {"S": "b"}}
    here = {"SS": ["x", "y"], "L": [{"NS": ["1", "2"]}]}
    for table, names, numbers in (
        (tables.live.name, ["x", "y"], ["1", "2"]),
        (tables.target, ["y", "x"], ["2", "1"]),
    ):
        item = {**key, "set": {"SS": names}, "list": {"L": [{"NS": numbers}]}}
        client.put_item(TableName=table, Item=item)
    assert differences(tables).kinds == {"items": Kind(restored=1, live=1)}
    assert compare._digest(here) != compare._digest({**here, "L": [{"NS": ["1", "3"]}]})
