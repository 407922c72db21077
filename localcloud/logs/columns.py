"""Patterns of lines with columns: `[ip, user, ..., status = 4* || status = 5*, bytes > 1000]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from localcloud.logs.conditions import Condition, PatternError, Reader, Token

#: A column of a line: what is in square brackets or quotation marks is one.
_FIELD = re.compile(r'\[([^\]]*)\]|"([^"]*)"|(\S+)')
_ELLIPSIS = Token("word", "...")


@dataclass(frozen=True)
class _Column:
    name: str
    condition: Condition | None


class Columns:
    """A pattern in square brackets."""

    def __init__(self, text: str) -> None:
        if not text.endswith("]"):
            raise PatternError(f"Invalid filter pattern: no closing bracket in {text}")
        self._before: list[_Column] = []
        self._after: list[_Column] | None = None
        reader = Reader(text, text[1:-1])
        while True:
            if reader.peek() == _ELLIPSIS:
                reader.take("word")
                if self._after is not None:
                    raise PatternError(f"Invalid filter pattern: more than one ... in {text}")
                self._after = []
            else:
                (self._before if self._after is None else self._after).append(_column(reader))
            if not reader.taken(","):
                break
        if reader.peek():
            raise reader.refused()

    def match(self, message: str) -> dict[str, str] | None:
        """The columns of a line, by name, and by number where the pattern does not name them."""
        fields = self._aligned(message)
        if fields is None:
            return None
        if any(column.condition and not column.condition(text) for column, text in fields):
            return None
        return {f"${column.name or at}": text for at, (column, text) in enumerate(fields, 1)}

    def field(self, message: str, reference: str) -> str | None:
        """The column that `$name` or `$number` stands for."""
        return (self.match(message) or {}).get(reference)

    def _aligned(self, message: str) -> list[tuple[_Column, str]] | None:
        """Each column with its text; the last one before the line's end takes the rest of the line."""
        starts = list(_FIELD.finditer(message))
        named = self._before + (self._after or [])
        if len(starts) < len(named):
            return None
        texts = [next(group for group in found.groups() if group is not None) for found in starts]
        if self._after is None:
            if len(texts) > len(named):
                texts = [*texts[: len(named) - 1], message[starts[len(named) - 1].start() :].rstrip()]
            return list(zip(self._before, texts, strict=True))
        unnamed = [_Column("", None)] * (len(texts) - len(named))
        return list(zip([*self._before, *unnamed, *self._after], texts, strict=True))


def _column(reader: Reader) -> _Column:
    token = reader.peek()
    if token is None or token == Token("mark", ","):
        return _Column("", None)
    if token.kind == "word":
        name = reader.take("word").text
        token = reader.peek()
        if token is None or token == Token("mark", ","):
            return _Column(_checked(name, reader), None)
        return _Column(_checked(name, reader), _conditions(reader, name))
    raise reader.refused()


def _conditions(reader: Reader, name: str) -> Condition:
    """The conditions of one column, whose name has been read already."""
    pending = [name]

    def leaf(reader: Reader) -> Condition:
        found = pending.pop() if pending else reader.take("word").text
        if found != name:
            raise PatternError(f"Invalid filter pattern: a condition on {found} in the column {name}")
        return reader.comparison()

    return reader.expression(leaf)


def _checked(name: str, reader: Reader) -> str:
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise PatternError(f"Invalid filter pattern: {name!r} is no name of a column in {reader.pattern}")
    return name
