"""Passwords: which are refused, and how hashes are made, bounded and renewed."""
# ruff: noqa: E501, RUF001 - lists of passwords

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.accounts import names
from app.accounts.passwords import Passwords, TooBusyError, WeakPasswordError, check

QUICK = {"memory_kib": 64, "passes": 1}


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword", "PASSWORD1234", "P@ssw0rd2024!", "qwertyuiop123", "iloveyou1234567", "123456789012",
        "letmeinplease1", "aaaaaaaaaaaaaa", "abcabcabcabcabc", "abcdefghijklmnop", "zyxwvutsrqponm",
        "EchoRoom2024!", "echo-room-1234", "some.body12345", "12345some.body", "administrator1", "sunshine2024!!",
        "correcthorsebatterystaple", "1q2w3e4r5t6y7u", "ｐａｓｓｗｏｒｄ１２３４",
    ],
)  # fmt: skip
def test_what_anybody_would_try_first_is_refused(password: str) -> None:
    with pytest.raises(WeakPasswordError):
        check(password, "some.body")


@pytest.mark.parametrize(
    "password",
    [
        "tangible-otter-ladder",
        "x7Kq!vR2mZ9p",
        "some.body likes long walks",
        "Äpfel im Nest, mittags",
        "🦆🐸🐝🌵🎈🚲🧊🪁🎻🥝🛶🧵",
    ],
)
def test_others_are_taken(password: str) -> None:
    check(password, "some.body")


def test_the_parameters_are_those_owasp_recommends() -> None:
    assert Passwords(1).hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=128))
@settings(max_examples=50, deadline=None)
def test_any_password_is_told_from_another(password: str) -> None:
    passwords = Passwords(1, **QUICK)
    stored = passwords.hash(password)
    assert passwords.verify(stored, password)
    assert not passwords.verify(stored, password + "x")


def test_however_a_keyboard_composes_it() -> None:
    passwords = Passwords(1, **QUICK)
    assert passwords.verify(passwords.hash("Ängström-Straße"), "A\u0308ngstro\u0308m-Straße")


def test_nobody_s_password_is_no_password_and_costs_a_whole_hash() -> None:
    passwords = Passwords(1, **QUICK)
    assert not passwords.verify(None, "anything at all")
    # It is a hash that the library checks to the end, with the present parameters, not one that it rejects.
    assert not passwords.outdated(passwords._dummy)
    with pytest.raises(Exception, match="does not match"):
        passwords._hasher.verify(passwords._dummy, "anything at all")
    assert Passwords(1)._dummy.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_damaged_hash_matches_nothing() -> None:
    assert not Passwords(1, **QUICK).verify("$argon2id$broken", "x")


def test_other_parameters_are_noticed() -> None:
    old, new = Passwords(1, **QUICK), Passwords(1, memory_kib=128, passes=1)
    stored = old.hash("x")
    assert new.verify(stored, "x")
    assert new.outdated(stored)
    assert not new.outdated(new.hash("x"))


def test_hashes_at_once_are_bounded_and_the_rest_is_refused() -> None:
    passwords = Passwords(2, **QUICK)
    most, running, gate, lock = 0, 0, threading.Event(), threading.Lock()
    real = passwords._hasher

    class Slow:
        def hash(self, password: bytes) -> str:
            nonlocal most, running
            with lock:
                running += 1
                most = max(most, running)
            assert gate.wait(60)
            with lock:
                running -= 1
            return real.hash(password)

    passwords._hasher = Slow()
    threads = [threading.Thread(target=passwords.hash, args=("x",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while passwords._places._value or running < 2:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    with pytest.raises(TooBusyError):
        passwords.hash("x")
    gate.set()
    for thread in threads:
        thread.join()
    assert most == 2
    assert passwords.hash("x")


def test_names() -> None:
    for good in ("bob", "Bob.Smith", "a-b_c.9", "x" * 32, "007"):
        assert names.valid(good)
    for bad in ("", "ab", "x" * 33, ".bob", "bob-", "b b", "bób", "bob\n", "b/ob", "Кот", "bob@x"):
        assert not names.valid(bad)
