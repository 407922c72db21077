"""The API of WAF: what MiniStack does not know, and what it takes although AWS refuses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from localcloud import balancer
from localcloud.balancer import records
from localcloud.balancer.webacl import checks, managed
from localcloud.balancer.webacl.checks import Record, WafError, waf


def install() -> None:
    """Take the requests before MiniStack does."""
    handle = waf().handle_request

    async def handling(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            request = json.loads(body) if action in _CHECKS or action in _OWN else {}
            if action in _CHECKS:
                _CHECKS[action](request)
            if action in _OWN:
                answer = json.dumps(_OWN[action](request)).encode()
                return 200, {"Content-Type": "application/x-amz-json-1.1"}, answer
        except WafError as exc:
            return waf()._waf_err(exc.code, str(exc))
        return await handle(method, path, headers, body, query)

    waf().handle_request = handling


# --- before MiniStack answers ---


def _stored(kind: str, request: Record) -> Record | None:
    """The record that a request is about; MiniStack itself refuses when there is none."""
    found: Record | None = waf()._resource_from_scope(
        getattr(waf(), kind), request["Id"], request.get("Scope", "REGIONAL")
    )
    return found


def _creating_ip_set(request: Record) -> None:
    checks.addresses(request["IPAddressVersion"], request["Addresses"])


def _updating_ip_set(request: Record) -> None:
    record = _stored("_ip_sets", request)
    if record is not None:
        checks.unchanged(record, request)
        checks.addresses(record["IPAddressVersion"], request["Addresses"])
        record["Description"] = request.get("Description", "")


def _with_rules(request: Record) -> None:
    checks.rules(request.get("Rules") or [])


def _updating_rule_group(request: Record) -> None:
    record = _stored("_rule_groups", request)
    if record is not None:
        checks.unchanged(record, request)
        _with_rules(request)


def _deleting(kind: str) -> Callable[[Record], None]:
    def check(request: Record) -> None:
        record = _stored(kind, request)
        if record is not None:
            checks.unchanged(record, request)
            checks.unused(record)

    return check


def _deleting_acl(request: Record) -> None:
    record = _stored("_web_acls", request)
    if record is not None:
        checks.unchanged(record, request)
        checks.guards_nothing(record)


def _associating(request: Record) -> None:
    if request["ResourceArn"] not in records.alb()._lbs:
        raise WafError(
            "WAFNonexistentItemException",
            f"AWS WAF couldn't perform the operation because {request['ResourceArn']} doesn't exist.",
        )


_CHECKS: dict[str, Callable[[Record], None]] = {
    "CreateIPSet": _creating_ip_set,
    "UpdateIPSet": _updating_ip_set,
    "DeleteIPSet": _deleting("_ip_sets"),
    "DeleteRegexPatternSet": _deleting("_regex_pattern_sets"),
    "CreateRuleGroup": _with_rules,
    "UpdateRuleGroup": _updating_rule_group,
    "DeleteRuleGroup": _deleting("_rule_groups"),
    "CreateWebACL": _with_rules,
    "UpdateWebACL": _with_rules,
    "DeleteWebACL": _deleting_acl,
    "AssociateWebACL": _associating,
}


# --- instead of MiniStack ---


def _acl(arn: str) -> Record:
    acl, problem = waf()._resolve_local_web_acl(arn)
    if problem is not None:
        raise WafError("WAFNonexistentItemException", f"AWS WAF couldn't find the web ACL {arn}")
    found: Record = acl
    return found


def _put_logging(request: Record) -> Record:
    configuration = request["LoggingConfiguration"]
    checks.logging(configuration)["LoggingConfiguration"] = configuration
    return {"LoggingConfiguration": configuration}


def _logging_configuration(request: Record) -> Record:
    found = _acl(request["ResourceArn"]).get("LoggingConfiguration")
    if found is None:
        raise WafError("WAFNonexistentItemException", "there is no such configuration")
    return {"LoggingConfiguration": found}


def _delete_logging(request: Record) -> Record:
    _logging_configuration(request)
    del _acl(request["ResourceArn"])["LoggingConfiguration"]
    return {}


def _acl_for_resource(request: Record) -> Record:
    """Nothing, and no error, when no web ACL stands in front of it."""
    arn = waf()._associations.get(request["ResourceArn"])
    return {"WebACL": {key: value for key, value in _acl(arn).items() if key != "LockToken"}} if arn else {}


def _sampled_requests(request: Record) -> Record:
    _acl(request["WebAclArn"])
    window = request["TimeWindow"]
    samples = balancer.current().web_acls.samples(
        request["WebAclArn"], request["RuleMetricName"], float(window["StartTime"]), float(window["EndTime"])
    )
    shown = samples[: int(request["MaxItems"])]
    return {"SampledRequests": shown, "PopulationSize": len(samples), "TimeWindow": window}


def _managed_rule_group(request: Record) -> Record:
    if not managed.known(request):
        raise WafError(
            "WAFNonexistentItemException",
            f"The local cloud does not know the rules of {request['VendorName']} {request['Name']}.",
        )
    word, rules = managed.GROUPS[request["Name"]]
    space = f"awswaf:managed:aws:{word}:"
    return {
        "VersionName": "stand-in",
        "Capacity": {managed.COMMON: 700, managed.BAD_INPUTS: 200}[request["Name"]],
        "Rules": [{"Name": name, "Action": {"Block": {}}} for name in rules],
        "LabelNamespace": space,
        "AvailableLabels": [{"Name": f"{space}{label}"} for label, _ in rules.values()],
    }


_OWN: dict[str, Callable[[Record], Record]] = {
    "PutLoggingConfiguration": _put_logging,
    "GetLoggingConfiguration": _logging_configuration,
    "DeleteLoggingConfiguration": _delete_logging,
    "GetWebACLForResource": _acl_for_resource,
    "GetSampledRequests": _sampled_requests,
    "DescribeManagedRuleGroup": _managed_rule_group,
}
