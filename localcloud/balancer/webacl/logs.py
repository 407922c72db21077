"""The log of a web ACL: a line of JSON for each request that its logging filter keeps, in AWS's format."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from localcloud import emulator
from localcloud.balancer.webacl.judge import Match, Verdict
from localcloud.balancer.webacl.protection import shown
from localcloud.balancer.webacl.request import Request

log = logging.getLogger("localcloud.balancer")

#: Lines wait this long for others; one call then takes them all.
_GATHER_SECONDS = 0.2


class WebAclLog:
    """Writes to log groups; calls `wrote` after each delivery. Lives on the event loop."""

    def __init__(self, wrote: Callable[[], None]) -> None:
        self._wrote = wrote
        #: By the log group's ARN and the web ACL's name.
        self._lines: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, acl: dict[str, Any], request: Request, verdict: Verdict) -> None:
        """Take one request, if the filter keeps it."""
        config = acl["LoggingConfiguration"]
        if not keeps(config.get("LoggingFilter"), request, verdict):
            return
        now = int(time.time() * 1000)
        text = json.dumps(line(acl, request, verdict, now), separators=(",", ":"))
        self._lines[config["LogDestinationConfigs"][0], acl["Name"]].append((now, text))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self.flush)

    def flush(self) -> None:
        """Deliver the lines so far."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        taken, self._lines = self._lines, defaultdict(list)
        for (arn, name), lines in taken.items():
            _deliver(arn, name, lines)
        if taken:
            self._wrote()


def _deliver(arn: str, name: str, lines: list[tuple[int, str]]) -> None:
    responses, cloudwatch = emulator.module("core.responses"), emulator.module("services.cloudwatch_logs")
    _, _, _, region, account, resource = arn.split(":", 5)
    group, stream = resource.removeprefix("log-group:"), f"{region}_{name}_0"
    with responses.request_scope(account, region):
        # Answers with an error when it is there already, which is as good.
        cloudwatch._create_log_stream({"logGroupName": group, "logStreamName": stream})
        status, _, body = cloudwatch._put_log_events(
            {
                "logGroupName": group,
                "logStreamName": stream,
                "logEvents": [{"timestamp": at, "message": text} for at, text in lines],
            }
        )
    if status >= 400:
        log.warning("%d lines of web ACL %s were refused by %s: %s", len(lines), name, group, body)


def keeps(chosen: dict[str, Any] | None, request: Request, verdict: Verdict) -> bool:
    """Whether a `LoggingFilter` keeps a request: the first filter that applies decides."""
    if not chosen:
        return True
    actions = {verdict.action.upper(), *("COUNT" for _ in verdict.counted)}
    actions |= {"EXCLUDED_AS_COUNT" for match in verdict.counted if match.overridden}

    def meets(condition: dict[str, Any]) -> bool:
        if "ActionCondition" in condition:
            return condition["ActionCondition"]["Action"] in actions
        return condition["LabelNameCondition"]["LabelName"] in request.labels

    for one in chosen["Filters"]:
        met = [meets(condition) for condition in one["Conditions"]]
        if all(met) if one["Requirement"] == "MEETS_ALL" else any(met):
            return bool(one["Behavior"] == "KEEP")
    return bool(chosen["DefaultBehavior"] == "KEEP")


def line(acl: dict[str, Any], request: Request, verdict: Verdict, now: int) -> dict[str, Any]:
    """One line; `now` in milliseconds."""
    may_show = shown(acl, request, acl["LoggingConfiguration"].get("RedactedFields"))
    terminating = verdict.terminating
    headers = {name.lower(): value for name, value in may_show.headers}
    return {
        "timestamp": now,
        "formatVersion": 1,
        "webaclId": acl["ARN"],
        "terminatingRuleId": terminating.rule["Name"] if terminating else "Default_Action",
        "terminatingRuleType": _kind(terminating),
        "action": verdict.action.upper(),
        "terminatingRuleMatchDetails": [],
        "httpSourceName": "ALB",
        "httpSourceId": request.source or "-",
        "ruleGroupList": _groups(verdict),
        "rateBasedRuleList": _rates(terminating, request, headers),
        "nonTerminatingMatchingRules": [
            {"ruleId": match.rule["Name"], "action": "COUNT", "ruleMatchDetails": []}
            for match in verdict.counted
            if not match.within
        ],
        "requestHeadersInserted": None,
        "responseCodeSent": verdict.refusal.status
        if verdict.refusal and verdict.refusal.body is not None
        else None,
        "httpRequest": {
            "clientIp": request.client,
            "country": "-",
            "headers": [{"name": name, "value": value} for name, value in may_show.headers],
            "uri": may_show.uri,
            "args": may_show.query,
            "httpVersion": request.head.first[2].decode("latin-1"),
            "httpMethod": may_show.method,
            "requestId": headers.get("x-amzn-trace-id", ""),
            "host": headers.get("host", ""),
        },
        "labels": [{"name": label} for label in request.labels],
        "requestBodySizeInspectedByWAF": len(request.body),
    }


def _kind(match: Match | None) -> str:
    statement = match.rule["Statement"] if match else {}
    if "ManagedRuleGroupStatement" in statement:
        return "MANAGED_RULE_GROUP"
    return "RATE_BASED" if "RateBasedStatement" in statement else "REGULAR"


def _groups(verdict: Verdict) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for match in [*verdict.counted, *([verdict.terminating] if verdict.terminating else [])]:
        if not match.within:
            continue
        of = match.rule["Statement"]["ManagedRuleGroupStatement"]
        name = f"{of['VendorName']}#{of['Name']}"
        group = found.setdefault(
            name,
            {
                "ruleGroupId": name,
                "terminatingRule": None,
                "nonTerminatingMatchingRules": [],
                "excludedRules": None,
            },
        )
        said = {"ruleId": match.within, "action": match.action.upper(), "ruleMatchDetails": None}
        if match.overridden:
            said["overriddenAction"] = match.overridden.upper()
        if match is verdict.terminating:
            group["terminatingRule"] = said
        else:
            group["nonTerminatingMatchingRules"].append(said)
    return list(found.values())


def _rates(match: Match | None, request: Request, headers: dict[str, str]) -> list[dict[str, Any]]:
    rate = (match.rule["Statement"] if match else {}).get("RateBasedStatement")
    if match is None or rate is None:
        return []
    custom = []
    for key in rate.get("CustomKeys") or []:
        ((kind, of),) = key.items()
        value = request.client if kind == "IP" else headers.get(str((of or {}).get("Name", "")).lower(), "")
        custom.append({"key": kind.upper(), "name": (of or {}).get("Name"), "value": value})
    return [
        {
            "rateBasedRuleName": match.rule["Name"],
            "limitKey": "CUSTOMKEYS" if custom else rate["AggregateKeyType"],
            "limitValue": request.client if rate["AggregateKeyType"] == "IP" else None,
            "maxRateAllowed": int(rate["Limit"]),
            "evaluationWindowSec": str(rate.get("EvaluationWindowSec", 300)),
            "customValues": custom,
        }
    ]
