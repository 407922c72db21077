"""What every store must do with sessions and the tokens of an account, run against both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.store import (
    AlreadyRotated,
    NoSuchToken,
    Store,
)
from app.store.records import (
    ENDED_TOKENS_LISTED,
    MOST_SESSIONS,
)
from tests.app.store_records import NOW, account, session, token


def test_the_oldest_session_makes_room(store: Store) -> None:
    store.add_account(account())
    for number in range(MOST_SESSIONS + 2):
        store.add_session(session(number, created_at=NOW + number))
    alive = [store.find_session(session(n).digest) is not None for n in range(MOST_SESSIONS + 2)]
    assert alive == [False, False] + [True] * MOST_SESSIONS


def test_a_session_is_extended_up_to_its_end_and_ended(store: Store) -> None:
    store.add_account(account())
    mine = session(1)
    store.add_session(mine)
    assert store.find_session(mine.digest) == mine
    assert store.extend_session(mine, mine.expires_at + 60) is True
    assert store.find_session(mine.digest) == replace(mine, expires_at=mine.expires_at + 60)
    assert store.extend_session(mine, mine.expires_at) is True, "an earlier time changes nothing"
    assert store.find_session(mine.digest) == replace(mine, expires_at=mine.expires_at + 60)
    assert store.extend_session(mine, mine.ends_at + 60) is True
    assert store.find_session(mine.digest) == replace(mine, expires_at=mine.ends_at)
    store.end_session(mine)
    store.end_session(mine)
    assert store.find_session(mine.digest) is None
    assert store.extend_session(mine, NOW + 1) is False
    assert store.find_session(mine.digest) is None


@pytest.mark.parametrize("owner", ["a1", "operator"])
def test_rotation_leaves_both_for_a_while(store: Store, owner: str) -> None:
    store.add_account(account())
    old = token(1, owner)
    store.add(old)
    rotated = replace(old, rotated_to="t2", expires_at=NOW + 610)
    assert store.rotate(owner, "t1", token(2, owner, NOW + 10), NOW + 610) == rotated
    assert store.find(old.digest) == rotated
    assert store.find(token(2, owner).digest) == token(2, owner, NOW + 10)
    assert store.list(owner) == [rotated, token(2, owner, NOW + 10)]
    with pytest.raises(AlreadyRotated):
        store.rotate(owner, "t1", token(3, owner), NOW + 610)
    with pytest.raises(NoSuchToken):
        store.rotate(owner, "t9", token(3, owner), NOW + 610)
    store.revoke(owner, "t2", NOW)
    with pytest.raises(NoSuchToken):
        store.rotate(owner, "t2", token(3, owner), NOW + 610)
    assert store.find(token(3, owner).digest) is None


def test_rotation_never_lengthens_a_life(store: Store) -> None:
    store.add(token(1, "operator", expires_at=NOW + 60))
    assert store.rotate("operator", "t1", token(2, "operator"), NOW + 600).expires_at == NOW + 60
    with pytest.raises(NoSuchToken):
        store.rotate("operator", "t1", token(3, "operator", NOW + 60), NOW + 700)


def test_the_day_of_last_use_only_moves_forward(store: Store) -> None:
    store.add(token(1, "operator"))
    assert store.list("operator")[0].last_used_on is None
    for day in ("2030-01-31", "2030-01-30", "2030-01-31"):
        store.mark_used("operator", "t1", day)
        assert store.list("operator")[0].last_used_on == "2030-01-31"
    store.mark_used("operator", "t1", "2030-02-01")
    assert store.list("operator")[0].last_used_on == "2030-02-01"
    store.mark_used("operator", "t2", "2030-02-01")
    assert len(store.list("operator")) == 1, "a note made a token"


def test_ended_tokens_do_not_gather(store: Store) -> None:
    store.add_account(account())
    for number in range(ENDED_TOKENS_LISTED + 4):
        store.add(token(number, now=NOW + number))
        store.revoke("a1", f"t{number}", NOW + number)
    listed = [record.id for record in store.list("a1")]
    assert len(listed) == ENDED_TOKENS_LISTED + 1
    assert listed[-1] == f"t{ENDED_TOKENS_LISTED + 3}"
    assert store.find(token(0).digest) is None


def test_a_revoked_token_shows_its_own_expiry(store: Store) -> None:
    far = NOW + 10**8
    store.add(token(1, "operator", expires_at=far))
    store.add(token(2, "operator"))
    for number in (1, 2):
        store.revoke("operator", f"t{number}", NOW)
    assert [record.expires_at for record in store.list("operator")] == [far, None]
