"""Application Signals' API, as far as it is about service level objectives."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote

from localcloud.signals import budget, objectives
from localcloud.signals.objectives import TAGS, SignalsError, found, invalid

Answer = tuple[int, dict[str, Any]]

#: What requests are signed for.
SERVICE = "application-signals"
_MOST = 50


def handle(method: str, path: str, query: str, body: bytes) -> Answer:
    """The status and the answer to a request; `path` is as it was sent, quoted. The region must be set."""
    try:
        given = json.loads(body) if body else {}
        return 200, _answer(method, path, {key: one[0] for key, one in parse_qs(query).items()}, given)
    except SignalsError as exc:
        return exc.status, {"__type": exc.code, "Message": str(exc), "message": str(exc),
                            "ResourceType": "AWS::ApplicationSignals::ServiceLevelObjective",
                            "ResourceId": path}  # fmt: skip
    except json.JSONDecodeError as exc:
        return 400, {"__type": "ValidationException", "message": f"The body is not JSON: {exc}"}
    except (KeyError, TypeError, ValueError) as exc:
        return 400, {"__type": "ValidationException", "message": f"The request lacks or spoils {exc}"}


def _answer(method: str, path: str, query: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    one = re.fullmatch(r"/slo/([^/]+)(/exclusion-windows)?", path)
    if one and one[2] and method == "GET":
        found(unquote(one[1]))
        return {"ExclusionWindows": []}
    if one and not one[2]:
        return _one(method, unquote(one[1]), given)
    match method, path:
        case "POST", "/slo":
            return {"Slo": objectives.create(given)}
        case "POST", "/slos":
            return _listed(query, given)
        case "POST", "/budget-report":
            identities = given["SloIds"]
            if not 1 <= len(identities) <= _MOST:
                raise invalid(f"SloIds must have 1 to {_MOST} members")
            return budget.reports(identities, float(given["Timestamp"]))
        case "GET", "/tags":
            tags = TAGS[found(query["ResourceArn"])["Arn"]]
            return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        case "POST", "/tag-resource":
            tags = TAGS[found(given["ResourceArn"])["Arn"]]
            tags.update({tag["Key"]: tag["Value"] for tag in given["Tags"]})
            return {}
        case "POST", "/untag-resource":
            tags = TAGS[found(given["ResourceArn"])["Arn"]]
            for key in given["TagKeys"]:
                tags.pop(key, None)
            return {}
    raise invalid(f"the local cloud does not answer {method} {path}: of Application Signals it has service "
                  "level objectives without exclusion windows")  # fmt: skip


def _one(method: str, identity: str, given: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "GET":
            return {"Slo": found(identity)}
        case "PATCH":
            return {"Slo": objectives.update(identity, given)}
        case "DELETE":
            objectives.delete(identity)
            return {}
    raise invalid(f"{method} is nothing that a service level objective takes")


def _listed(query: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    # None is about a service, an operation or a dependency.
    about = [given.get(name) for name in ("KeyAttributes", "DependencyConfig", "MetricSource")]
    sources = given.get("MetricSourceTypes") or ["CloudWatchMetric"]
    none = any(about) or query.get("OperationName") or "CloudWatchMetric" not in sources
    names = ("Arn", "Name", "CreatedTime", "EvaluationType", "MetricSourceType")
    after, most = query.get("NextToken", ""), int(query.get("MaxResults", _MOST))
    rest = [] if none else [o for o in objectives.here() if o["Name"] > after]
    page = [{name: o[name] for name in names} for o in rest[:most]]
    more = {"NextToken": page[-1]["Name"]} if page and len(rest) > most else {}
    return {"SloSummaries": page, **more}
