"""WAFv2: web ACLs whole, IP sets, logging, and which web ACL guards which load balancer."""

from __future__ import annotations

import base64
import json
from ipaddress import ip_network
from typing import Any

from localcloud import balancer, emulator
from localcloud.balancer.webacl import managed
from localcloud.resources.base import Made, Properties, Provisioner, call

#: Members of a web ACL that MiniStack's records leave out.
_FURTHER = (
    "ApplicationConfig", "AssociationConfig", "CaptchaConfig", "ChallengeConfig", "CustomResponseBodies",
    "DataProtectionConfig", "OnSourceDDoSProtectionConfig", "TokenDomains",
)  # fmt: skip


def _waf() -> Any:
    return emulator.module("services.waf")


def _cfn() -> Any:
    return emulator.module("services.cloudformation.provisioners")


def _name(logical_id: str, properties: Properties, stack_name: str) -> str:
    found: str = properties.get("Name") or _cfn()._physical_name(stack_name, logical_id, max_len=128)
    return found


def _parts(physical_id: str) -> dict[str, str]:
    """Name, id and scope of `Ref`: `name|id|scope`."""
    name, uid, scope = physical_id.split("|")
    return {"Name": name, "Id": uid, "Scope": scope}


# --- web ACLs ---


def _as_in_the_api(value: Any, inside: str = "") -> Any:
    """Where the API's words differ from the template's: search strings are binary, and ARN is in capitals."""
    if isinstance(value, list):
        return [_as_in_the_api(inner, inside) for inner in value]
    if not isinstance(value, dict):
        return value
    found = {key: _as_in_the_api(inner, key) for key, inner in value.items()}
    if "SearchString" in found:
        found["SearchString"] = base64.b64encode(found["SearchString"].encode()).decode()
    elif "SearchStringBase64" in found:
        found["SearchString"] = found.pop("SearchStringBase64")
    if inside.endswith("ReferenceStatement") and "Arn" in found:
        found["ARN"] = found.pop("Arn")
    return found


def _check_references(rules: Any) -> None:
    for value in rules.values() if isinstance(rules, dict) else rules if isinstance(rules, list) else ():
        _check_references(value)
    if isinstance(rules, dict) and "ARN" in rules:
        _, problem = _waf()._resolve_local_waf_resource_arn(rules["ARN"])
        if problem is not None:
            raise ValueError(f"AWS WAF couldn't find the resource {rules['ARN']}")


def _check_overrides(rules: list[Properties]) -> None:
    for rule in rules:
        group = (rule.get("Statement") or {}).get("ManagedRuleGroupStatement") or {}
        if unknown := managed.unknown_rules(group):
            raise ValueError(
                "Error reason: The parameter contains a name that is not valid., "
                f"field: RULE_ACTION_OVERRIDES, parameter: {', '.join(unknown)} "
                f"({group['Name']} has no such rule)"
            )


def _web_acl(properties: Properties) -> Properties:
    found: Properties = _as_in_the_api(properties)
    _check_references(found.get("Rules", []))
    _check_overrides(found.get("Rules", []))
    return found


def _settled(made: Made, properties: Properties) -> Made:
    physical_id, attributes = made
    parts = _parts(physical_id)
    record = _waf().web_acl_record(parts["Id"], parts["Scope"])
    for name in _FURTHER:
        record.pop(name, None)
        if name in properties:
            record[name] = properties[name]
    account = emulator.module("core.responses").get_account_id()
    record["LabelNamespace"] = f"awswaf:{account}:webacl:{parts['Name']}:"
    named = {name: record[name] for name in ("Capacity", "LabelNamespace")}
    return physical_id, {**attributes, **named}


def _create_acl(logical_id: str, properties: Properties, stack_name: str) -> Made:
    given = _web_acl(properties)
    return _settled(_cfn()._waf_web_acl_create(logical_id, given, stack_name), given)


def _update_acl(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    given = {**_web_acl(new), "Name": _parts(physical_id)["Name"]}
    return _settled(_cfn()._waf_web_acl_update(physical_id, old, given, stack_name), given)


def _delete_acl(physical_id: str, properties: Properties) -> None:
    record = _waf().web_acl_record(_parts(physical_id)["Id"], _parts(physical_id)["Scope"])
    if record is None:
        return
    guarded = [arn for arn, acl in _waf()._associations.items() if acl == record["ARN"]]
    if guarded:
        raise ValueError(f"AWS WAF couldn't delete the web ACL: it is in use by {', '.join(guarded)}")
    _cfn()._waf_web_acl_delete(physical_id, properties)


# --- IP sets ---


def _addresses(properties: Properties) -> Properties:
    version = 6 if properties["IPAddressVersion"] == "IPV6" else 4
    for address in properties["Addresses"]:
        network = ip_network(address, strict=False)
        if network.version != version or network.prefixlen == 0:
            raise ValueError(
                f"Error reason: The parameter contains formatting that is not valid., field: IP_ADDRESS, "
                f"parameter: {address} (an {properties['IPAddressVersion']} range, but not /0)"
            )
    return properties


def _create_ip_set(logical_id: str, properties: Properties, stack_name: str) -> Made:
    request = {**_addresses(properties), "Name": _name(logical_id, properties, stack_name)}
    made = call("Wafv2", _waf()._create_ip_set, request)["Summary"]
    return f"{made['Name']}|{made['Id']}|{properties['Scope']}", {"Arn": made["ARN"], "Id": made["Id"]}


def _update_ip_set(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del old, stack_name
    parts = _parts(physical_id)
    call("Wafv2", _waf()._update_ip_set, {**_addresses(new), **parts})
    record = _waf()._resource_from_scope(_waf()._ip_sets, parts["Id"], parts["Scope"])
    record["Description"] = new.get("Description", "")
    return physical_id, {"Arn": record["ARN"], "Id": parts["Id"]}


def _delete_ip_set(physical_id: str, properties: Properties) -> None:
    del properties
    parts = _parts(physical_id)
    record = _waf()._resource_from_scope(_waf()._ip_sets, parts["Id"], parts["Scope"])
    if record is None:
        return
    if any(f"'{record['ARN']}'" in str(acl["Rules"]) for acl in _waf()._web_acls.values()):
        raise ValueError("AWS WAF couldn't delete the IP set: a web ACL refers to it")
    call("Wafv2", _waf()._delete_ip_set, parts)


# --- logging ---


def _put_logging(properties: Properties) -> Made:
    (destination,) = properties["LogDestinationConfigs"]
    if not destination.split(":", 5)[5].removeprefix("log-group:").startswith("aws-waf-logs-"):
        raise ValueError(
            "Error reason: The ARN isn't valid. A valid ARN begins with arn: and includes other information "
            f"separated by colons or slashes., field: LOG_DESTINATION, parameter: {destination} "
            "(its name must begin with aws-waf-logs-)"
        )
    acl, error = _waf()._resolve_local_web_acl(properties["ResourceArn"])
    if error is not None:
        raise ValueError(f"AWS WAF couldn't find the web ACL {properties['ResourceArn']}")
    acl["LoggingConfiguration"] = dict(properties)
    return properties["ResourceArn"], {"ManagedByFirewallManager": False}


def _create_logging(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    return _put_logging(properties)


def _update_logging(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del physical_id, old, stack_name
    return _put_logging(new)


def _delete_logging(physical_id: str, properties: Properties) -> None:
    del properties
    acl, _ = _waf()._resolve_local_web_acl(physical_id)
    if acl is not None:
        acl.pop("LoggingConfiguration", None)


def install() -> None:
    """Answer what MiniStack does not know, and check what it takes."""
    waf = _waf()
    handle = waf.handle_request
    own = {
        "GetLoggingConfiguration": _logging_configuration,
        "GetSampledRequests": _sampled_requests,
        "DescribeManagedRuleGroup": _managed_rule_group,
    }

    async def handling(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action in own:
            found, error = own[action](json.loads(body))
            return error or (200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(found).encode())
        if action in ("CreateWebACL", "UpdateWebACL"):
            try:
                _check_overrides(json.loads(body).get("Rules") or [])
            except ValueError as exc:
                return waf._waf_err("WAFInvalidParameterException", str(exc))
        return await handle(method, path, headers, body, query)

    waf.handle_request = handling


def _logging_configuration(given: Properties) -> tuple[Properties, Any]:
    acl, error = _waf()._resolve_local_web_acl(given["ResourceArn"])
    found = (acl or {}).get("LoggingConfiguration")
    if error is None and found is None:
        error = _waf()._waf_err("WAFNonexistentItemException", "there is no such configuration")
    return {"LoggingConfiguration": found}, error


def _sampled_requests(given: Properties) -> tuple[Properties, Any]:
    _, error = _waf()._resolve_local_web_acl(given["WebAclArn"])
    if error is not None:
        return {}, error
    window = given["TimeWindow"]
    samples = balancer.current().web_acls.samples(
        given["WebAclArn"], given["RuleMetricName"], float(window["StartTime"]), float(window["EndTime"])
    )
    shown = samples[: int(given["MaxItems"])]
    return {"SampledRequests": shown, "PopulationSize": len(samples), "TimeWindow": window}, None


def _managed_rule_group(given: Properties) -> tuple[Properties, Any]:
    if not managed.known(given):
        problem = f"The local cloud does not know the rules of {given['VendorName']} {given['Name']}."
        return {}, _waf()._waf_err("WAFNonexistentItemException", problem)
    word, rules = managed.GROUPS[given["Name"]]
    space = f"awswaf:managed:aws:{word}:"
    return {
        "VersionName": "stand-in",
        "Capacity": {managed.COMMON: 700, managed.BAD_INPUTS: 200}[given["Name"]],
        "Rules": [{"Name": name, "Action": {"Block": {}}} for name in rules],
        "LabelNamespace": space,
        "AvailableLabels": [{"Name": f"{space}{label}"} for label, _ in rules.values()],
    }, None


# --- associations ---


def _create_association(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    call("Wafv2", _waf()._associate_web_acl, properties)
    return f"{properties['WebACLArn']}|{properties['ResourceArn']}", {}


def _delete_association(physical_id: str, properties: Properties) -> None:
    # A replacement has made the new association, of the same load balancer, before the old one goes.
    if _waf()._associations.get(properties["ResourceArn"]) == physical_id.partition("|")[0]:
        call("Wafv2", _waf()._disassociate_web_acl, {"ResourceArn": properties["ResourceArn"]})


PROVISIONERS = {
    "AWS::WAFv2::WebACL": Provisioner(_create_acl, _update_acl, _delete_acl),
    "AWS::WAFv2::IPSet": Provisioner(_create_ip_set, _update_ip_set, _delete_ip_set, tagged=True),
    "AWS::WAFv2::LoggingConfiguration": Provisioner(_create_logging, _update_logging, _delete_logging),
    "AWS::WAFv2::WebACLAssociation": Provisioner(_create_association, None, _delete_association),
}
