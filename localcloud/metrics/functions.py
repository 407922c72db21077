"""Functions and operators of metric math; `expression` says what their values are."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

from localcloud.metrics.naming import Found

Series = dict[int, float]
Value = float | Series | list[Series]


class ExpressionError(ValueError):
    """An expression that cannot be parsed or evaluated; the message says why."""


def _divide(a: float, b: float) -> float | None:
    return a / b if b else None


def _power(a: float, b: float) -> float | None:
    try:
        found = a**b
    except (OverflowError, ZeroDivisionError):
        return None
    return found if isinstance(found, float) else None


_OPERATORS: dict[str, Callable[[float, float], float | None]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": _divide, "^": _power,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
    "!=": operator.ne,
    "AND": lambda a, b: bool(a) and bool(b), "&&": lambda a, b: bool(a) and bool(b),
    "OR": lambda a, b: bool(a) or bool(b), "||": lambda a, b: bool(a) or bool(b),
}  # fmt: skip


def combine(sign: str, left: Value, right: Value) -> Value:
    """Apply an operator: period by period where both have data; comparisons give 1 or 0.

    What has no result, such as a division by zero, is a period without data.
    """
    apply = _OPERATORS[sign]
    if isinstance(left, list):
        if isinstance(right, list):
            raise ExpressionError(f"{sign} does not take two arrays")
        return each_of(left, lambda each: combine(sign, each, right))
    if isinstance(right, list):
        return each_of(right, lambda each: combine(sign, left, each))
    if isinstance(left, dict) or isinstance(right, dict):
        periods = _common(value for value in (left, right) if isinstance(value, dict))
        results = {at: apply(_at(left, at), _at(right, at)) for at in periods}
        return {at: float(result) for at, result in results.items() if result is not None}
    result = apply(left, right)
    return {} if result is None else float(result)


def _common(series: Iterable[Series]) -> list[int]:
    found = [set(each) for each in series]
    return sorted(set.intersection(*found)) if found else []


def _at(value: Value, period: int) -> float:
    return value[period] if isinstance(value, dict) else float(value)  # type: ignore[arg-type]  # a number, where it is no series


def _series(value: Value) -> Series:
    if not isinstance(value, dict):
        raise ExpressionError("a time series is needed here")
    return value


def each_of(values: list[Series], change: Callable[[Series], Value]) -> list[Series]:
    """Each series of an array changed; it stays the metric's that it was."""
    return [
        Found(each.metric, _series(change(each))) if isinstance(each, Found) else _series(change(each))
        for each in values
    ]


def array(values: list[Value]) -> list[Series]:
    """An array of time series; arrays in it are opened."""
    found: list[Series] = []
    for value in values:
        found += value if isinstance(value, list) else [_series(value)]
    return found


def fill(value: Value, by: Value | str, begin: int, end: int) -> Value:
    """Put a value where there is none: a number, another series' or REPEAT's last, or LINEAR between two."""
    if isinstance(value, list):
        return each_of(value, lambda each: fill(each, by, begin, end))
    known = _series(value)
    found: Series = {}
    for at in range(begin, end):
        if at in known:
            found[at] = known[at]
        elif by == "REPEAT":
            if at - 1 in found:
                found[at] = found[at - 1]
        elif by == "LINEAR":
            before, after = (
                max((p for p in known if p < at), default=None),
                min((p for p in known if p > at), default=None),
            )
            if before is not None and after is not None:
                part = (at - before) / (after - before)
                found[at] = known[before] + part * (known[after] - known[before])
        elif isinstance(by, dict):
            if at in by:
                found[at] = by[at]
        elif isinstance(by, (int, float)):
            found[at] = float(by)
        else:
            raise ExpressionError("FILL takes a number, a time series, REPEAT or LINEAR")
    return found


def spread(value: Value, begin: int, end: int) -> Value:
    """TIME_SERIES: a number in every period."""
    return dict.fromkeys(range(begin, end), float(value)) if isinstance(value, (int, float)) else value


def rate(value: Value, period: float) -> Value:
    """RATE: the change per second since the datapoint before."""
    known = sorted(_series(value).items())
    return {at: (now - before) / ((at - then) * period) for (then, before), (at, now) in pairwise(known)}


def _if(condition: Value, yes: Value, no: Value | None = None) -> Value:
    """By the condition, the one or the other; only the one that is chosen needs to have data."""
    if isinstance(condition, list):
        raise ExpressionError("IF takes no array as its condition")
    if not isinstance(condition, dict):
        chosen = yes if condition else no
        return {} if chosen is None else chosen
    found: Series = {}
    for at, holds in condition.items():
        chosen = yes if holds else no
        if isinstance(chosen, dict):
            if at in chosen:
                found[at] = chosen[at]
        elif chosen is not None:
            found[at] = _at(chosen, at)
    return found


def _aggregate(reduce: Callable[[list[float]], float]) -> Callable[..., Value]:
    """Over an array: per period, of those that have data. Over one series: a number."""

    def apply(*values: Value) -> Value:
        value: Value = values[0] if len(values) == 1 else array(list(values))
        if isinstance(value, list):
            periods = sorted({at for series in value for at in series})
            return {at: float(reduce([s[at] for s in value if at in s])) for at in periods}
        if isinstance(value, dict):
            if not value:
                return {}
            return float(reduce(list(value.values())))
        return float(reduce([value]))

    return apply


def _each(change: Callable[[float], float | None]) -> Callable[[Value], Value]:
    def apply(value: Value) -> Value:
        if isinstance(value, list):
            return each_of(value, apply)
        if isinstance(value, dict):
            changed = {at: change(each) for at, each in value.items()}
            return {at: float(each) for at, each in changed.items() if each is not None}
        return float(change(value) or 0.0)

    return apply


def _log(of: Callable[[float], float]) -> Callable[[float], float | None]:
    return lambda value: of(value) if value > 0 else None


def _first(value: Value) -> Value:
    return value[0] if isinstance(value, list) and value else _series(value if value else {})


def _last(value: Value) -> Value:
    return value[-1] if isinstance(value, list) and value else _series(value if value else {})


def _diff(value: Value) -> Value:
    known = sorted(_series(value).items())
    return {at: now - before for (_, before), (at, now) in pairwise(known)}


def _slice(value: Value, start: Value, end: Value | None = None) -> Value:
    if not isinstance(value, list):
        raise ExpressionError("SLICE takes an array")
    return value[_whole(start) : None if end is None else _whole(end)]


def _whole(value: Value) -> int:
    if not isinstance(value, float) or value < 0 or value != int(value):
        raise ExpressionError("a whole number that is not negative is needed here")
    return int(value)


#: By what SORT takes series in order.
SORTED_BY: dict[str, Callable[[Iterable[float]], float]] = {"AVG": fmean, "MAX": max, "MIN": min, "SUM": sum}


def sort(value: Value, by: str, order: str, most: Value | None) -> Value:
    """SORT: an array's series by their average, maximum, minimum or sum; those without data are last."""
    if not isinstance(value, list):
        raise ExpressionError("SORT takes an array")
    sign = -1 if order == "DESC" else 1
    found = sorted(value, key=lambda each: sign * SORTED_BY[by](each.values()) if each else math.inf)
    return found if most is None else found[: _whole(most)]


def _running_sum(value: Value) -> Value:
    total, found = 0.0, {}
    for at, each in sorted(_series(value).items()):
        total += each
        found[at] = total
    return found


_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "ABS": (_each(abs), 1, 1),
    "AVG": (_aggregate(fmean), 1, 1),
    "CEIL": (_each(math.ceil), 1, 1),
    "DATAPOINT_COUNT": (_aggregate(len), 1, 1),
    "DIFF": (_diff, 1, 1),
    "FIRST": (_first, 1, 1),
    "FLOOR": (_each(math.floor), 1, 1),
    "IF": (_if, 2, 3),
    "LAST": (_last, 1, 1),
    "LOG": (_each(_log(math.log)), 1, 1),
    "LOG10": (_each(_log(math.log10)), 1, 1),
    "MAX": (_aggregate(max), 1, 1),
    "MIN": (_aggregate(min), 1, 1),
    "RUNNING_SUM": (_running_sum, 1, 1),
    "SLICE": (_slice, 2, 3),
    "STDDEV": (_aggregate(pstdev), 1, 1),
    "SUM": (_aggregate(sum), 1, 1),
}


def known(name: str) -> tuple[Callable[..., Any], int, int]:
    """A function with its fewest and most arguments. Raises ExpressionError for one that is not here."""
    if name not in _FUNCTIONS:
        here = sorted([*_FUNCTIONS, "FILL", "METRICS", "PERIOD", "RATE", "SEARCH", "SORT", "TIME_SERIES"])
        raise ExpressionError(f"the local cloud has no function {name}; it has {', '.join(here)}")
    return _FUNCTIONS[name]
