"""Fixed stand-ins for what differs from run to run: times, ids, ports, digests, tokens, paths.

An id gets its stand-in by the chapter and the order in which it appears first, so that two runs of the same
commands give the same text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

#: Runs of hexadecimal digits that are ids: of tasks and requests, digests, suffixes of names.
_HEX = re.compile(
    r"(?<![0-9A-Za-z])(?:sha256:)?(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}(?![0-9A-Za-z])"
)
_NAMED = re.compile(r"(?<=[-a-z])(?=[0-9A-F]*\d)[0-9A-F]{10,14}(?![0-9A-Za-z])")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
#: After a name that CloudFormation had to shorten, and in the names of the tokens that `make test` makes.
_AFTER = re.compile(r"(?<=-ser)[0-9a-f]{13}\b|(?<=\btest-)[0-9a-f]{8}\b")
_SHORT = re.compile(r"(?<![0-9A-Za-z/-])(?=[0-9a-f]*\d)[0-9a-f]{8}(?=  )")
_NUMBER = re.compile(r"(?<=ecs-svc/)\d+")
_BALANCER = re.compile(r"(?<=/)(?=[a-z]*\d)[0-9a-z]{16}(?![0-9a-z])")
#: What a cell ends or begins with where a long word was broken between two lines.
_CELL = re.compile(r"((?:│ |[/:]))((?=[0-9a-z]*\d)[0-9a-z]{3,})( +(?:│|->))")
_FIXED: list[tuple[str, str]] = [
    (r"\x1b\[[0-9;]*m", ""),
    (r"\becho_[A-Za-z0-9]{30,}", "echo_0123456789abcdefghijABCDEFGHIJ012345678"),
    (r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d([.,]\d+)?", r"2026-11-21\g<1>10:00:00"),
    (r"\b\d{4}-\d\d-\d\d\b", "2026-11-21"),
    # In the name of a restored table, and of the change that puts it to use.
    (r"(?<=-at-)\d{8}T\d{6}Z", "20261121T100000Z"),
    (r"(?<=\brestored-)\d{8}-\d{6}", "20261121-100000"),
    (r"(?<=, in )\d+ s$", "3 s"),
    (r"\b\d\d:\d\d:\d\d(\.\d{3})?", lambda found: "10:00:00.000" if found[1] else "10:00:00"),
    (r"\b\d\d:\d\d UTC", "10:00 UTC"),
    (r"^ +\d+\.\d s  ", "    1.0 s  "),
    (r"\b(after|about) \d+ s\b", r"\1 3 s"),
    # A time that was measured; an objective's is said as "within".
    (r"(?<!within )\b\d+(\.\d+)? ms\b", "1.0 ms"),
    (r"\(process \d+\b", "(process 4242"),
    (r"\b(process|pid:?|PID) \d+\b", r"\1 4242"),
    (r"\[\d{2,7}\]", "[4242]"),
    (r"\((\d{2,7})\)$", "(4242)"),
    (r"\b127\.1\.\d+\.\d+\b", "127.1.0.1"),
    (r"(Makefile):\d+:", r"\1:"),
    (r"\b(\d+) (seconds?|minutes?) ago", r"a moment ago"),
]  # fmt: skip


class Standins:
    """Stand-ins for one series of commands; `known` are texts with a stand-in of their own."""

    def __init__(self, known: dict[str, str] | None = None) -> None:
        self._known = sorted((known or {}).items(), key=lambda pair: -len(pair[0]))
        self._ids: dict[str, str] = {}
        self._chapter, self._count = "", 0

    def begin(self, chapter: str) -> None:
        """Number new ids anew: one more or less in an earlier chapter changes nothing in this one."""
        self._chapter, self._count = chapter, 0

    def __call__(self, text: str) -> str:
        """Return the text with stand-ins."""
        for old, new in self._known:
            text = text.replace(old, new)
        for pattern, replacement in _FIXED:
            text = re.sub(pattern, replacement, text, flags=re.M)
        text = _UUID.sub(self._replace(self._uuid), text)
        text = _AFTER.sub(self._replace(self._hex), text)
        text = _HEX.sub(self._replace(self._hex), text)
        text = _NAMED.sub(self._replace(lambda size: self._hex(size).upper()), text)
        text = _SHORT.sub(self._replace(self._hex), text)
        text = _NUMBER.sub(self._replace(self._number), text)
        text = _BALANCER.sub(self._replace(self._hex), text)
        text = _CELL.sub(self._cell, text)
        return _without_durations("\n".join(line.rstrip() for line in text.splitlines()))

    def _hex(self, size: int) -> str:
        self._count += 1
        return hashlib.sha256(f"{self._chapter} {self._count}".encode()).hexdigest()[:size]

    def _number(self, size: int) -> str:
        return str(int(self._hex(16), 16)).rjust(size, "0")[:size]

    def _uuid(self, _: int) -> str:
        digits = self._hex(32)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _replace(self, make: Callable[[int], str]) -> Callable[[re.Match[str]], str]:
        def replaced(found: re.Match[str]) -> str:
            prefix, _, real = found[0].rpartition(":")
            if real not in self._ids:
                self._ids[real] = self._part(real) or make(len(real))
            return f"{prefix}:{self._ids[real]}" if prefix else self._ids[real]

        return replaced

    def _part(self, piece: str) -> str:
        """The stand-in of how a known id begins or ends, as tables and logs show it; "" where it is none."""
        for old, new in self._ids.items():
            if len(old) > len(piece) and old.startswith(piece):
                return new[: len(piece)]
            if len(old) > len(piece) and old.endswith(piece):
                return new[-len(piece) :]
        return ""

    def _cell(self, found: re.Match[str]) -> str:
        return found[1] + (self._part(found[2]) or found[2]) + found[3]


def _without_durations(text: str) -> str:
    """Where a table's last column is milliseconds, give that column one width and one value."""
    if not re.search(r"┃ *ms┃$", text, re.M):
        return text
    for column, fixed in ((r"┃ *ms┃$", "┃ ms┃"), (r"│ *\d*│$", "│  1│")):
        text = re.sub(column, fixed, text, flags=re.M)
    for left, line, right in ("┳━┓", "╇━┩", "┴─┘"):
        text = re.sub(f"{left}{line}+{right}$", f"{left}{line * 3}{right}", text, flags=re.M)
    return text


def shape(text: str) -> str:
    """The text without its ids: what two runs have in common even where ids come in another order."""
    text = _UUID.sub("#", text)
    return re.sub(
        r"(?<![0-9A-Za-z])(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{4,64}(?![0-9A-Za-z])|(?<=-ser)[0-9a-fA-F]{13}",
        "#",
        text,
    )
