"""CloudWatch Logs' filter patterns: whether a line matches, and the fields that a metric filter can use.

Terms (`ERROR -"timed out"`), JSON (`{ $.status >= 500 }`), columns (`[ip, ..., status = 5*, bytes]`) and
regular expressions (`%time[ds] out%`), as the user guide's "Filter pattern syntax" describes them.
"""

from __future__ import annotations

import re
from typing import Protocol

from localcloud.logs.columns import Columns
from localcloud.logs.conditions import PatternError, regex
from localcloud.logs.documents import Documents

__all__ = ["LONGEST", "Pattern", "PatternError", "parse"]

#: Characters of a pattern.
LONGEST = 1024

_TERM = re.compile(
    r'(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>(?:[^%\\]|\\.)*)%|(?P<word>\S+))'
)


class Pattern(Protocol):
    """A pattern that was understood."""

    def match(self, message: str) -> dict[str, str] | None:
        """The fields that the pattern names, by `$.selector`, `$column` or `$number`.

        None when the line does not match.
        """

    def field(self, message: str, reference: str) -> str | None:
        """What `$.latency` or `$bytes` stands for in a line that matches, as it is written there.

        None when the line has no such field, or when it is no string and no number.
        """


def parse(text: str) -> Pattern:
    """Understand a pattern. Raises PatternError, worded for `InvalidParameterException`."""
    if len(text) > LONGEST:
        raise PatternError(f"The filter pattern has {len(text)} characters; {LONGEST} are allowed.")
    stripped = text.strip()
    if stripped.startswith("{"):
        return Documents(stripped)
    if stripped.startswith("["):
        return Columns(stripped)
    return Terms(stripped)


class Terms:
    """Words, phrases and regular expressions, anywhere in a line.

    Those with `?` are alternatives, and count only where nothing else is asked for.
    """

    def __init__(self, text: str) -> None:
        found: dict[str, list[re.Pattern[str]]] = {"": [], "-": [], "?": []}
        at = 0
        while at < len(text):
            term = _TERM.match(text, at)
            if term is None:
                raise PatternError(f"Invalid filter pattern: {text}")
            found[term["sign"]].append(_term(term))
            at = term.end()
            rest = text[at:]
            at += len(rest) - len(rest.lstrip())
        self._wanted, self._unwanted = found[""], found["-"]
        self._alternatives = [] if self._wanted or self._unwanted else found["?"]

    def match(self, message: str) -> dict[str, str] | None:
        """An empty mapping for a line that matches: terms name nothing."""
        if not all(one.search(message) for one in self._wanted):
            return None
        if any(one.search(message) for one in self._unwanted):
            return None
        if self._alternatives and not any(one.search(message) for one in self._alternatives):
            return None
        return {}

    def field(self, message: str, reference: str) -> str | None:  # noqa: ARG002 - a Pattern's
        """None: only JSON and columns have fields."""
        return None


def _term(term: re.Match[str]) -> re.Pattern[str]:
    if term["regex"] is not None:
        return regex(term["regex"])
    if term["phrase"] is not None:
        # A blank between quotation marks is the documented way to ask for everything.
        phrase = term["phrase"] if term["phrase"].strip() else ""
        return re.compile(re.escape(re.sub(r"\\(.)", r"\1", phrase)))
    if not re.fullmatch(r"\w+", term["word"], re.ASCII):
        raise PatternError(f"Invalid character(s) in term '{term['word']}'")
    return re.compile(re.escape(term["word"]))
