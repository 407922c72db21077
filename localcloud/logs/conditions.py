"""What JSON patterns and column patterns have in common: tokens, `&&`, `||`, brackets, and comparisons."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Regular expressions in one pattern, and wildcards among the selectors of one.
MOST_REGEXES = 2
MOST_WILDCARDS = 3

#: Whether a line's document, or a column's text, meets a condition.
Condition = Callable[[Any], bool]
#: Whether a text does; a number of a JSON document is a text as well, as it is written there.
Test = Callable[[str], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<mark>&&|\|\||[(),])
      | (?P<operator>!=|>=|<=|=|<|>)
      | "(?P<text>(?:[^"\\]|\\.)*)"
      | %(?P<regex>(?:[^%\\]|\\.)*)%
      | (?P<selector>\$(?:\.?\[(?:\d+|\*|'[^']*'|"[^"]*")\]|\.(?:[\w-]+|\*))+)
      | (?P<word>[\w.*+-]+)
    )""",
    re.VERBOSE | re.ASCII,
)
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class PatternError(ValueError):
    """A filter pattern that CloudWatch Logs would refuse."""


@dataclass(frozen=True)
class Token:
    """A part of a pattern: `kind` is the name of a group of `_TOKEN`."""

    kind: str
    text: str


def regex(text: str) -> re.Pattern[str]:
    """A regular expression of a pattern, without its `%`. Raises PatternError for what is not supported."""
    wrong = re.search(
        r"[^A-Za-z0-9 :_#=@/;,\-^$?\[\]{}|\\*+.]|\\(?![dDsSwW]|x[0-9A-Fa-f]{2}|[^A-Za-z0-9])", text
    )
    if wrong:
        raise PatternError(f"The regular expression %{text}% has {wrong.group()!r}, which is not supported")
    try:
        return re.compile(text, re.ASCII)
    except re.error as exc:
        raise PatternError(f"The regular expression %{text}% is not valid: {exc}") from exc


def number(text: str) -> float | None:
    """The number that a text is, None when it is something else."""
    return float(text) if _NUMBER.fullmatch(text) else None


class Reader:
    """Reads the tokens of a pattern, one after the other."""

    def __init__(self, pattern: str, inner: str) -> None:
        self.pattern = pattern
        self._tokens = []
        at = 0
        while inner[at:].strip():
            found = _TOKEN.match(inner, at)
            if found is None or found.lastgroup is None:
                raise PatternError(f"Invalid filter pattern: {inner[at:].strip()!r} in {pattern}")
            kind = found.lastgroup
            text = re.sub(r"\\(.)", r"\1", found[kind]) if kind == "text" else found[kind]
            self._tokens.append(Token(kind, text))
            at = found.end()
        if sum(token.kind == "regex" for token in self._tokens) > MOST_REGEXES:
            raise PatternError(f"A filter pattern has at most {MOST_REGEXES} regular expressions: {pattern}")
        if sum(token.kind == "selector" and "*" in token.text for token in self._tokens) > MOST_WILDCARDS:
            raise PatternError(f"A filter pattern has at most {MOST_WILDCARDS} wildcard selectors: {pattern}")
        self._at = 0

    def peek(self) -> Token | None:
        """The next token, None at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def take(self, *kinds: str) -> Token:
        """The next token, which has to be of one of these kinds."""
        token = self.peek()
        if token is None or token.kind not in kinds:
            raise self.refused()
        self._at += 1
        return token

    def taken(self, mark: str) -> bool:
        """Take the next token if it is this mark, and say whether it was."""
        if self.peek() != Token("mark", mark):
            return False
        self._at += 1
        return True

    def refused(self) -> PatternError:
        """The error that says where this pattern cannot be understood."""
        token = self.peek()
        where = f"at {token.text!r}" if token else "at its end"
        return PatternError(f"Invalid filter pattern {where}: {self.pattern}")

    def expression(self, leaf: Callable[[Reader], Condition]) -> Condition:
        """Conditions with `||`, `&&` and brackets; `leaf` reads a single one."""
        either = [self._all_of(leaf)]
        while self.taken("||"):
            either.append(self._all_of(leaf))
        return lambda subject: any(one(subject) for one in either)

    def _all_of(self, leaf: Callable[[Reader], Condition]) -> Condition:
        every = [self._one(leaf)]
        while self.taken("&&"):
            every.append(self._one(leaf))
        return lambda subject: all(one(subject) for one in every)

    def _one(self, leaf: Callable[[Reader], Condition]) -> Condition:
        if not self.taken("("):
            return leaf(self)
        inner = self.expression(leaf)
        if not self.taken(")"):
            raise self.refused()
        return inner

    def comparison(self) -> Test:
        """An operator and what to compare with."""
        sign = self.take("operator").text
        operand = self.take("word", "text", "regex")
        if sign in _ORDER:
            bound = number(operand.text) if operand.kind == "word" else None
            if bound is None:
                raise PatternError(f"{sign} needs a number, not {operand.text!r}: {self.pattern}")
            return _ordered(_ORDER[sign], bound)
        equal = _equal(operand)
        return equal if sign == "=" else lambda text: not equal(text)


def _ordered(compare: Callable[[float, float], bool], bound: float) -> Test:
    def test(text: str) -> bool:
        found = number(text)
        return found is not None and compare(found, bound)

    return test


def _equal(operand: Token) -> Test:
    text = operand.text
    if operand.kind == "regex":
        expression = regex(text)
        return lambda found: expression.search(found) is not None
    wanted = number(text) if operand.kind == "word" else None
    if wanted is not None:
        return lambda found: found == text or number(found) == wanted
    # An asterisk stands for any text at the ends; in between it is one.
    start, end = text.startswith("*"), len(text) > 1 and text.endswith("*")
    inner = re.escape(text[start : len(text) - end])
    glob = re.compile(f"{'.*' if start else ''}{inner}{'.*' if end else ''}", re.DOTALL)
    return lambda found: glob.fullmatch(found) is not None
