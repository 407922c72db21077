"""JSON patterns: `{ ($.status >= 500 || $.error NOT EXISTS) && $.route = "/echo" }`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from localcloud.logs.conditions import Condition, PatternError, Reader

_STEP = re.compile(r"""\.?\[(?:(?P<index>\d+)|(?P<any>\*)|'(?P<quoted>[^']*)'|"(?P<doubled>[^"]*)")\]
                       |\.(?:(?P<every>\*)|(?P<name>[\w-]+))""", re.VERBOSE | re.ASCII)  # fmt: skip
#: What `IS` can be followed by.
_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}
#: A step of a selector: a name, a position, or None for all there are.
_Steps = list[str | int | None]


class _Numeral(str):
    """A number of a document, as it is written there."""

    __slots__ = ()


class Documents:
    """A pattern in braces; a line that is no JSON never matches."""

    def __init__(self, text: str) -> None:
        if not text.endswith("}"):
            raise PatternError(f"Invalid filter pattern: no closing brace in {text}")
        self._selectors: dict[str, _Steps] = {}
        reader = Reader(text, text[1:-1])
        self._condition = reader.expression(self._leaf)
        if reader.peek():
            raise reader.refused()

    def match(self, message: str) -> dict[str, str] | None:
        """The fields that the pattern asks about, those that are strings or numbers."""
        document = _parsed(message)
        if document is None or not self._condition(document):
            return None
        fields = {selector: _first(document, steps) for selector, steps in self._selectors.items()}
        return {selector: value for selector, value in fields.items() if value is not None}

    def field(self, message: str, reference: str) -> str | None:
        """The string or number that `$.selector` leads to, None when there is none."""
        document = _parsed(message)
        return None if document is None else _first(document, _steps(reference))

    def _leaf(self, reader: Reader) -> Condition:
        selector = reader.take("selector").text
        steps = self._selectors[selector] = _steps(selector)
        token = reader.peek()
        if token is not None and token.kind == "word":
            return _about(reader, steps)
        test = reader.comparison()
        return lambda document: any(
            isinstance(found, str) and test(found) for found in _found(document, steps)
        )


def _about(reader: Reader, steps: _Steps) -> Condition:
    """`IS NULL`, `IS TRUE`, `IS FALSE` or `NOT EXISTS`."""
    words = reader.take("word").text, reader.take("word").text
    if words == ("NOT", "EXISTS"):
        return lambda document: not list(_found(document, steps))
    if words[0] != "IS" or words[1] not in _CONSTANTS:
        raise PatternError(f"Invalid filter pattern: {' '.join(words)!r} in {reader.pattern}")
    constant = _CONSTANTS[words[1]]
    return lambda document: any(found is constant for found in _found(document, steps))


def _parsed(message: str) -> Any:
    """The object or array that a line is; None when it is no JSON."""
    if not message.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(message, parse_int=_Numeral, parse_float=_Numeral, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _steps(selector: str) -> _Steps:
    steps: _Steps = []
    at = 1
    while at < len(selector):
        step = _STEP.match(selector, at)
        if step is None:
            raise PatternError(f"Invalid property selector: {selector}")
        names = [step[group] for group in ("quoted", "doubled", "name") if step[group] is not None]
        steps.append(int(step["index"]) if step["index"] else names[0] if names else None)
        at = step.end()
    if not selector.startswith("$") or not steps:
        raise PatternError(f"Invalid property selector: {selector}")
    if steps.count(None) > 1:
        raise PatternError(f"A property selector has at most one wildcard: {selector}")
    return steps


def _found(value: Any, steps: _Steps) -> Iterator[Any]:
    """Everything that the steps lead to."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(value.values()) if step is None else [value[step]] if step in value else []
    elif isinstance(value, list):
        inner = value if step is None else value[step : step + 1] if isinstance(step, int) else []
    for each in inner:
        yield from _found(each, rest)


def _first(document: Any, steps: _Steps) -> str | None:
    return next((str(found) for found in _found(document, steps) if isinstance(found, str)), None)
