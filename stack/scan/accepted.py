"""Findings that somebody looked at and accepted: each with a reason, and until a date."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from stack.errors import nearest, usage
from stack.scan.result import Finding

FILE = Path("stack") / "scan" / "accepted.toml"
_KEYS = ("check", "rule", "where", "reason", "expires")


@dataclass(frozen=True)
class Acceptance:
    """An entry of accepted.toml; `where` is a shell pattern. Valid up to and including the day `expires`."""

    check: str
    rule: str
    where: str
    reason: str
    expires: date

    def covers(self, check: str, finding: Finding) -> bool:
        """Whether it accepts that finding of that check."""
        named = (self.check, self.rule) == (check, finding.rule)
        return named and fnmatchcase(finding.where, self.where)

    def __str__(self) -> str:
        return f"{self.check}: {self.rule} in {self.where}"


def load(root: Path, checks: Collection[str]) -> list[Acceptance]:
    """Read accepted.toml; no file accepts nothing. Raises a ToolError (exit code 2) on a wrong entry."""
    file = root / FILE
    if not file.exists():
        return []
    try:
        content = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise usage(f"{FILE}: {error}") from error
    if unknown := set(content) - {"accepted"}:
        raise usage(f"{FILE}: unknown {sorted(unknown)[0]!r}.", "Entries are [[accepted]] tables.")
    return [
        _entry(number, entry, checks) for number, entry in enumerate(content.get("accepted", []), start=1)
    ]


def _entry(number: int, entry: dict[str, object], checks: Collection[str]) -> Acceptance:
    where = f"{FILE}, entry {number}"
    if set(entry) != set(_KEYS):
        raise usage(f"{where} has {', '.join(sorted(entry))}.", f"It needs exactly: {', '.join(_KEYS)}")
    expires = entry["expires"]
    if type(expires) is not date:
        raise usage(f"{where}: expires is {expires!r}.", "Write a date without quotes: expires = 2027-01-31")
    texts = {key: entry[key] for key in _KEYS[:-1]}
    for key, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            raise usage(f"{where}: {key} is {value!r}.", "It must be a text, and say something.")
    if entry["check"] not in checks:
        raise usage(f"{where}: there is no check {entry['check']!r}{nearest(str(entry['check']), checks)}.")
    return Acceptance(**{key: str(value) for key, value in texts.items()}, expires=expires)


def left(
    check: str, findings: Iterable[Finding], entries: Iterable[Acceptance], today: date
) -> tuple[list[Finding], set[Acceptance]]:
    """What is left of a check's findings, and the entries that accepted the others."""
    valid = [entry for entry in entries if entry.expires >= today]
    remaining, used = [], set()
    for finding in findings:
        covering = {entry for entry in valid if entry.covers(check, finding)}
        used |= covering
        if not covering:
            remaining.append(finding)
    return remaining, used


def stale(
    entries: Iterable[Acceptance], used: set[Acceptance], judged: Collection[str], today: date
) -> list[Finding]:
    """A finding for each entry that expired, or that accepts nothing any more in a check of `judged`."""
    found = []
    for entry in entries:
        if entry.expires < today:
            found.append(
                Finding(
                    "expired",
                    str(FILE),
                    f"{entry} was accepted until {entry.expires}",
                    f"the reason given was: {entry.reason}",
                    "correct what it accepts, or look again and give it a new date",
                )
            )
        elif entry.check in judged and entry not in used:
            found.append(
                Finding(
                    "unused",
                    str(FILE),
                    f"{entry} accepts nothing",
                    "what it accepted is gone, and the next such finding should be seen",
                    "remove the entry",
                )
            )
    return found
