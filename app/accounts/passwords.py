"""Passwords: which are taken (after NIST SP 800-63B), and how they are hashed (argon2id, after OWASP).

A hash takes 19 MiB and some 20 ms of a processor on purpose. So it is never made on the event loop, and no
process makes more than a few at once: others wait, and when too many do, the rest are told to come back.
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 128
SERVICE_WORDS = ("echoroom", "echo-room", "echo room", "echo_room")
# What must be left of a password without the account's or the service's name.
_SHORTEST_REST = 8
_LIST = Path(__file__).with_name("common_passwords.txt")
# Letters that people write as something else.
_UNMASKED = str.maketrans("0134578@$!", "oleastbasi")

MEMORY_KIB, PASSES, LANES = 19456, 2, 1
# How many may wait, for each one that is being made; they hold threads that other routes need too.
_WAITING = 1


class WeakPasswordError(ValueError):
    """The password is easy to guess; the message says why."""


class TooBusyError(Exception):
    """Too many hashes are being made at the moment."""


def normalise(password: str) -> str:
    """The form that is hashed: the same however a keyboard composes its characters."""
    return unicodedata.normalize("NFKC", password)


@cache
def _common() -> frozenset[str]:
    return frozenset(_LIST.read_text(encoding="utf-8").split())


def check(password: str, account_name: str) -> None:
    """Raise WeakPasswordError if `password` is among the first that anybody would try for this account."""
    folded = normalise(password).casefold()
    for word in (*SERVICE_WORDS, account_name.casefold()):
        if word in folded and len(folded.replace(word, "")) < _SHORTEST_REST:
            raise WeakPasswordError("It is little more than the name of the account or of the service.")
    if re.fullmatch(r"(.{1,4}?)\1+.{0,3}", folded, flags=re.DOTALL):
        raise WeakPasswordError("It repeats itself.")
    steps = {ord(b) - ord(a) for a, b in pairwise(folded)}
    if len(steps) == 1:
        raise WeakPasswordError("It is a sequence.")
    stems = {folded, re.sub(r"[\W\d_]+$", "", folded), re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)}
    stems |= {stem.translate(_UNMASKED) for stem in stems}
    half = {folded[: len(folded) // 2]} if folded[: len(folded) // 2] * 2 == folded else set()
    if (stems | half) & _common():
        raise WeakPasswordError("It is one of the most common passwords, or hardly more than one.")


class Passwords:
    """Makes and checks hashes, `at_once` of them at the same time in this process."""

    def __init__(
        self, at_once: int, memory_kib: int = MEMORY_KIB, passes: int = PASSES, lanes: int = LANES
    ) -> None:
        self._hasher = PasswordHasher(passes, memory_kib, lanes, hash_len=32, salt_len=16, type=Type.ID)
        self._slots = threading.Semaphore(at_once)
        self._places = threading.Semaphore(at_once * (1 + _WAITING))
        # What passwords for accounts that do not exist are checked against: as costly as a real hash, and
        # nobody knows what it would be the hash of.
        self._dummy = f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${_random(16)}${_random(32)}"

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise TooBusyError
        try:
            with self._slots:
                yield
        finally:
            self._places.release()

    def hash(self, password: str) -> str:
        """The hash to store. Raises TooBusyError."""
        with self._slot():
            return self._hasher.hash(_bytes(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one that `stored` was made of; never if None, in the same time.

        Raises TooBusyError.
        """
        with self._slot():
            try:
                return self._hasher.verify(stored or self._dummy, _bytes(password)) and stored is not None
            except (VerificationError, InvalidHashError):
                return False

    def outdated(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)


def _random(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")


def _bytes(password: str) -> bytes:
    # Lone surrogates are as good as any other characters.
    return normalise(password).encode("utf-8", "surrogatepass")
