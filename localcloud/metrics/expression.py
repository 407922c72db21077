"""Metric math: expressions over metrics, as CloudWatch defines them.

A value is a number, a time series (a dict from the period's number to a number, without the periods that have
no data), or a list of time series. Operators work period by period where both sides have data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.metrics import functions, search
from localcloud.metrics.distribution import is_statistic
from localcloud.metrics.functions import ExpressionError, Series, Value, combine

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<sign>&&|\|\||[<>=!]=|[-+*/^<>()\[\],]))"
)
#: Operators from the loosest to the tightest.
_LEVELS = (("OR", "||"), ("AND", "&&"), ("==", "!=", "<=", ">=", "<", ">"), ("+", "-"), ("*", "/"), ("^",))

Node = Callable[["Scope"], Value]
#: Gives the series of all metrics that pass a test, in a statistic.
Find = Callable[[search.Test, str], list[Series]]


@dataclass(frozen=True)
class Scope:
    """What an expression sees: series by id, the ids of the metrics, and the periods it is asked for."""

    values: Mapping[str, Value]
    #: The ids that are metrics, not expressions: what METRICS() gives.
    metrics: Sequence[str]
    #: The first period's number, and the one after the last.
    begin: int
    end: int
    #: Seconds of a period, as on AWS.
    period: float
    #: None where nothing can be searched for.
    find: Find | None = None


@dataclass(frozen=True)
class Expression:
    """A parsed expression."""

    text: str
    evaluate: Node
    #: The ids it names.
    ids: frozenset[str]
    #: Whether it calls METRICS(), which stands for all metrics.
    all_metrics: bool
    #: The period of each SEARCH in it, None for one that leaves it to the query.
    searches: tuple[int | None, ...]


def parse(text: str) -> Expression:
    """Parse an expression. Raises ExpressionError, which names a function that is not known here."""
    parser = _Parser(text)
    node = parser.binary(0)
    if parser.word:
        raise parser.error()
    return Expression(text, node, frozenset(parser.ids), parser.all_metrics, tuple(parser.searches))


#: Functions that need to know the periods.
_SCOPED: dict[str, Callable[[Value, Scope], Value]] = {
    "PERIOD": lambda _, scope: scope.period,
    "RATE": lambda value, scope: functions.rate(value, scope.period),
    "TIME_SERIES": lambda value, scope: functions.spread(value, scope.begin, scope.end),
}


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._at = 0
        self.ids: set[str] = set()
        self.all_metrics = False
        self.searches: list[int | None] = []
        self.kind, self.word = "", ""
        self._next()

    def error(self) -> ExpressionError:
        return ExpressionError(f"Error in expression {self._text!r}: unexpected {self.word or 'end'!r}")

    def _next(self) -> str:
        before = self.word
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            if self._text[self._at :].strip():
                raise ExpressionError(f"Error in expression {self._text!r} at {self._text[self._at :]!r}")
            self.kind = self.word = ""
            return before
        self._at = found.end()
        self.kind, self.word = str(found.lastgroup), found.group(str(found.lastgroup))
        return before

    def _take(self, word: str) -> None:
        if self.word != word:
            raise self.error()
        self._next()

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self.binary(level + 1)
        while self.kind != "text" and self.word in _LEVELS[level]:
            left = _operation(self._next(), left, self.binary(level + 1))
        return left

    def _unary(self) -> Node:
        if self.word == "-" and self.kind == "sign":
            self._next()
            inner = self._unary()
            return lambda scope: combine("-", 0.0, inner(scope))
        return self._operand()

    def _operand(self) -> Node:
        kind, word = self.kind, self._next()
        if kind == "number":
            number = float(word)
            return lambda _: number
        if kind == "text":
            raise ExpressionError(f"Error in expression {self._text!r}: unexpected {word}")
        if word == "(":
            node = self.binary(0)
            self._take(")")
            return node
        if word == "[":
            nodes = self._list("]")
            return lambda scope: functions.array([node(scope) for node in nodes])
        if kind != "name":
            self.word = word
            raise self.error()
        if self.word == "(":
            self._next()
            return self._call(word.upper())
        if not word[0].islower():
            raise ExpressionError(f"Error in expression {self._text!r}: {word!r} is no id")
        self.ids.add(word)
        return lambda scope: _looked_up(scope, word)

    def _list(self, closing: str) -> list[Node]:
        nodes: list[Node] = []
        while self.word != closing:
            nodes.append(self.binary(0))
            if self.word != closing:
                self._take(",")
        self._take(closing)
        return nodes

    def _call(self, name: str) -> Node:
        if name == "METRICS":
            return self._metrics()
        if name == "FILL":
            return self._fill()
        if name == "SEARCH":
            return self._search()
        if name == "SORT":
            return self._sort()
        if name in _SCOPED:
            inner = self.binary(0)
            self._take(")")
            return lambda scope: _SCOPED[name](inner(scope), scope)
        function, least, most = functions.known(name)
        arguments = self._list(")")
        if not least <= len(arguments) <= most:
            raise ExpressionError(f"{name} takes {least} to {most} arguments, not {len(arguments)}")
        return lambda scope: function(*(argument(scope) for argument in arguments))

    def _metrics(self) -> Node:
        contained = self._next().strip("'\"") if self.kind == "text" else ""
        self._take(")")
        self.all_metrics = True
        return lambda scope: functions.array([scope.values[i] for i in scope.metrics if contained in i])

    def _fill(self) -> Node:
        filled = self.binary(0)
        self._take(",")
        if self.word in ("REPEAT", "LINEAR"):
            how = self._next()
            self._take(")")
            return lambda scope: functions.fill(filled(scope), how, scope.begin, scope.end)
        by = self.binary(0)
        self._take(")")
        return lambda scope: functions.fill(filled(scope), by(scope), scope.begin, scope.end)

    def _search(self) -> Node:
        query = self._text_word()
        self._take(",")
        statistic = self._text_word()
        if not is_statistic(statistic):
            raise ExpressionError(f"the local cloud has no statistic {statistic!r}, which a SEARCH asks for")
        period = None
        if self.word == ",":
            self._next()
            if self.kind != "number" or not self.word.isdigit() or int(self.word) == 0:
                raise self.error()
            period = int(self._next())
        self._take(")")
        self.searches.append(period)
        test = search.parse(query)
        return lambda scope: _found(scope, test, statistic)

    def _text_word(self) -> str:
        if self.kind != "text" or self.word[0] != "'":
            raise self.error()
        return self._next()[1:-1]

    def _sort(self) -> Node:
        of = self.binary(0)
        by, order = (self._one_of(words) for words in (tuple(functions.SORTED_BY), ("ASC", "DESC")))
        most: Node | None = None
        if self.word == ",":
            self._next()
            most = self.binary(0)
        self._take(")")
        return lambda scope: functions.sort(of(scope), by, order, most(scope) if most else None)

    def _one_of(self, words: tuple[str, ...]) -> str:
        self._take(",")
        if self.word not in words:
            raise self.error()
        return self._next()


def _found(scope: Scope, test: search.Test, statistic: str) -> Value:
    if scope.find is None:
        raise ExpressionError("SEARCH is not supported here")
    return scope.find(test, statistic)


def _operation(operator: str, left: Node, right: Node) -> Node:
    return lambda scope: combine(operator, left(scope), right(scope))


def _looked_up(scope: Scope, name: str) -> Value:
    if name not in scope.values:
        raise ExpressionError(f"the expression names {name!r}, which is no id of this request")
    return scope.values[name]


def evaluate_all(
    queries: Sequence[Mapping[str, Any]],
    fetch: Callable[[Mapping[str, Any]], dict[int, float]],
    period: float,
    begin: int,
    end: int,
    find: Find | None = None,
) -> dict[str, Value]:
    """All queries of an alarm or request by id; `fetch` gives a MetricStat's series, `find` a search's.

    Raises ExpressionError, also for expressions that name each other in a circle.
    """
    values: dict[str, Value] = {q["Id"]: fetch(q["MetricStat"]) for q in queries if q.get("MetricStat")}
    scope = Scope(values, list(values), begin, end, period, find)
    open_ones = {q["Id"]: parse(q["Expression"]) for q in queries if q.get("Expression")}
    while open_ones:
        ready = [name for name, found in open_ones.items() if not found.ids & open_ones.keys()]
        if not ready:
            raise ExpressionError(f"the expressions {', '.join(open_ones)} name each other in a circle")
        for name in ready:
            values[name] = open_ones.pop(name).evaluate(scope)
    return values
