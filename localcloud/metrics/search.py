"""SEARCH: which metrics a search expression finds.

Source: "CloudWatch search expression syntax", Amazon CloudWatch user guide. What it leaves open is decided so
that all of its examples hold: a composite term such as `Count1` is compared with its capitals, unless what
joins its parts is no letter or digit (`network/errors` finds `NetworkErrors2`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from localcloud.metrics.functions import ExpressionError
from localcloud.metrics.naming import MetricName

_LONGEST = 1024
_SCHEMA = re.compile(r"\s*\{([^}]*)\}\s*,?")
_NAME = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",{}]+))\s*(?:,|$)')
_TOKEN = re.compile(r'\s*(?:"(?P<exact>(?:[^"\\]|\\.)*)"|(?P<sign>[()=])|(?P<word>[^\s"()={}]+))')
#: What a name is made of: capitals, a word, digits.
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CHUNK = re.compile(r"[A-Za-z0-9]+")
_Kind = Literal["exact", "sign", "word", ""]


Test = Callable[[MetricName], bool]


def parse(query: str) -> Test:
    """What a query finds, as a test of metrics. Raises ExpressionError."""
    if len(query) > _LONGEST:
        raise ExpressionError(f"a SEARCH has {_LONGEST} characters at most, not {len(query)}")
    found = _SCHEMA.match(query)
    terms = query[found.end() :] if found else query
    if not found and not terms.strip():
        raise ExpressionError("a SEARCH needs a schema in braces, terms, or both")
    tests = [_schema(found[1])] if found else []
    if terms.strip():
        tests.append(_Terms(terms).parse())
    return lambda metric: all(test(metric) for test in tests)


def _schema(text: str) -> Test:
    """A namespace, and exactly these dimensions; any for a namespace alone."""
    names, at = [], 0
    while at < len(text):
        found = _NAME.match(text, at)
        if not found:
            break
        names.append(_plain(found[1]) if found[1] is not None else found[2])
        at = found.end()
    if at < len(text) or not names:
        raise ExpressionError(f"a SEARCH's schema is {{Namespace,Dimension,...}}, not {{{text}}}")
    namespace, *dimensions = names
    return lambda metric: (
        metric.namespace == namespace and (not dimensions or set(dimensions) == set(metric.dimensions))
    )


class _Terms:
    """Terms with AND (or nothing between them), OR, NOT and parentheses; AND binds closer than OR."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._kind: _Kind = ""
        self._value = ""
        self._next()

    def parse(self) -> Test:
        test = self._or("")
        if self._kind:
            raise self._error()
        return test

    def _error(self) -> ExpressionError:
        return ExpressionError(
            f"a SEARCH has an unexpected {self._value or 'end'!r} in {self._text.strip()!r}"
        )

    def _next(self) -> tuple[_Kind, str]:
        before = self._kind, self._value
        found = _TOKEN.match(self._text, self._at)
        if found:
            self._at = found.end()
            self._kind = found.lastgroup  # type: ignore[assignment]  # each alternative has a name
            self._value = found[self._kind]
        elif self._text[self._at :].strip():
            raise ExpressionError(
                f"a SEARCH has a quotation mark or brace without its other one: {self._text.strip()!r}"
            )
        else:
            self._kind, self._value = "", ""
        return before

    def _is(self, kind: _Kind, value: str) -> bool:
        return (self._kind, self._value) == (kind, value)

    def _or(self, of: str) -> Test:
        tests = [self._and(of)]
        while self._is("word", "OR"):
            self._next()
            tests.append(self._and(of))
        return lambda metric: any(test(metric) for test in tests)

    def _and(self, of: str) -> Test:
        tests = [self._not(of)]
        while self._kind and not self._is("word", "OR") and not self._is("sign", ")"):
            if self._is("word", "AND"):
                self._next()
            tests.append(self._not(of))
        return lambda metric: all(test(metric) for test in tests)

    def _not(self, of: str) -> Test:
        if not self._is("word", "NOT"):
            return self._term(of)
        self._next()
        test = self._not(of)
        return lambda metric: not test(metric)

    def _term(self, of: str) -> Test:
        if self._is("sign", "("):
            self._next()
            test = self._or(of)
            if not self._is("sign", ")"):
                raise self._error()
            self._next()
            return test
        if self._kind not in ("exact", "word") or (self._kind == "word" and self._value in ("AND", "OR")):
            raise self._error()
        kind, value = self._next()
        value = _plain(value) if kind == "exact" else value
        if self._is("sign", "=") and not of:
            if value.startswith(":aws."):
                raise ExpressionError(f"the local cloud has one account, so a SEARCH has no {value}")
            self._next()
            return self._term(value)
        if kind == "exact":
            return lambda metric: value in _strings(metric, of)
        matches = _partial(value)
        return lambda metric: any(matches(string) for string in _strings(metric, of))


def _strings(metric: MetricName, of: str) -> list[str]:
    """What a term is compared with: that property, or for "" all names and values."""
    if of:
        value = metric.property(of)
        return [] if value is None else [value]
    return [metric.name, metric.namespace, *metric.dimensions, *metric.dimensions.values()]


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


def _partial(term: str) -> Callable[[str], bool]:
    """A test of strings: the term's tokens one behind the other, or all of it but for capitals and signs."""
    chunks = [_PART.findall(chunk) for chunk in _CHUNK.findall(term)]
    if not chunks:
        raise ExpressionError(f"a SEARCH cannot look for {term!r}: there is no letter or digit in it")
    whole = "".join(part for chunk in chunks for part in chunk).lower()
    #: Each part, and whether its capitals count.
    wanted = [(part, len(chunk) > 1) for chunk in chunks for part in chunk]

    def matches(string: str) -> bool:
        parts: list[str] = _PART.findall(string)
        if "".join(parts).lower() == whole:
            return True
        return any(
            all(
                there == part if exactly else there.lower() == part.lower()
                for (part, exactly), there in zip(wanted, parts[at:], strict=False)
            )
            for at in range(len(parts) - len(wanted) + 1)
        )

    return matches
