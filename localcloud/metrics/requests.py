"""Requests of CloudWatch's API that MiniStack takes although AWS refuses them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud import emulator, models
from localcloud.metrics.definition import nested

Handler = Callable[..., Any]
Request = dict[str, Any]

#: Metrics of one request, values of one metric, and the largest value.
_MOST_DATA, _MOST_VALUES = 1000, 150
_LARGEST = 2.0**360
#: How far back and ahead data may be, in seconds.
_OLDEST, _NEWEST = 14 * 86400.0, 2 * 3600.0


class _RefusedError(ValueError):
    """A request that AWS refuses; `code` is the error's."""

    def __init__(self, message: str, code: str = "ValidationError") -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    """Check before whoever answers so far."""
    cloudwatch = emulator.module("services.cloudwatch")
    for action, check in (
        ("PutMetricAlarm", None), ("PutCompositeAlarm", None), ("SetAlarmState", _setting_state),
        ("PutMetricData", _putting_data),
    ):  # fmt: skip
        name = "_" + "".join(f"_{c.lower()}" if c.isupper() else c for c in action).lstrip("_")
        setattr(cloudwatch, name, _after(action, check, getattr(cloudwatch, name)))


def _after(action: str, check: Callable[[Request], None] | None, handler: Handler) -> Handler:
    def handle(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        request = data if is_cbor or is_json else nested(params)
        try:
            if problem := models.problem("cloudwatch", action, request):
                raise _RefusedError(problem)
            if check:
                check(request)
        except _RefusedError as exc:
            error = emulator.module("services.cloudwatch")._error
            return error(exc.code, str(exc), 400, is_json, is_cbor)
        return handler(params, data, is_cbor, is_json)

    return handle


def _setting_state(request: Request) -> None:
    if data := request.get("StateReasonData"):
        try:
            json.loads(data)
        except ValueError as exc:
            raise _RefusedError(f"StateReasonData is not valid JSON: {exc}", "InvalidFormat") from exc


def _putting_data(request: Request) -> None:
    data = request.get("MetricData") or []
    if len(data) > _MOST_DATA:
        raise _invalid(f"MetricData has {len(data)} members; {_MOST_DATA} are allowed")
    for number, datum in enumerate(data, 1):
        _datum(datum, f"MetricData.member.{number}")


def _datum(datum: Mapping[str, Any], path: str) -> None:
    values, counts = datum.get("Values"), datum.get("Counts")
    if datum.get("Value") is not None and datum.get("StatisticValues"):
        raise _RefusedError(
            f"The parameters {path}.Value and {path}.StatisticValues are mutually exclusive and you have "
            "specified both.", "InvalidParameterCombination",
        )  # fmt: skip
    if len(values or ()) > _MOST_VALUES:
        raise _invalid(f"{path}.Values has {len(values or ())} members; {_MOST_VALUES} are allowed")
    if counts is not None and len(counts) != len(values or []):
        raise _invalid(f"{path}.Counts must have as many members as {path}.Values")
    statistics = (datum.get("StatisticValues") or {}).values()
    for value in (datum.get("Value", 0), *(values or ()), *(counts or ()), *statistics):
        if not math.isfinite(float(value)) or abs(float(value)) > _LARGEST:
            raise _invalid(f"The value {value} for parameter {path} is invalid.")
    at = emulator.module("services.cloudwatch")._parse_ts(datum.get("Timestamp"))
    if at is not None and not -_OLDEST <= float(at) - time.time() <= _NEWEST:
        raise _invalid(f"The parameter {path}.Timestamp must specify a time within the past two weeks, "
                       "and no more than two hours ahead.")  # fmt: skip


def _invalid(message: str) -> _RefusedError:
    return _RefusedError(message, "InvalidParameterValue")
