"""WAFv2: web ACLs whole, IP sets, logging, and which web ACL guards which load balancer."""

from __future__ import annotations

import base64
from typing import Any

from localcloud import emulator
from localcloud.balancer.webacl import checks
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


def _web_acl(properties: Properties) -> Properties:
    found: Properties = _as_in_the_api(properties)
    checks.rules(found.get("Rules", []))
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
    checks.guards_nothing(record)
    _cfn()._waf_web_acl_delete(physical_id, properties)


# --- IP sets ---


def _create_ip_set(logical_id: str, properties: Properties, stack_name: str) -> Made:
    checks.addresses(properties["IPAddressVersion"], properties["Addresses"])
    request = {**properties, "Name": _name(logical_id, properties, stack_name)}
    made = call("Wafv2", _waf()._create_ip_set, request)["Summary"]
    return f"{made['Name']}|{made['Id']}|{properties['Scope']}", {"Arn": made["ARN"], "Id": made["Id"]}


def _update_ip_set(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del old, stack_name
    parts = _parts(physical_id)
    checks.addresses(new["IPAddressVersion"], new["Addresses"])
    call("Wafv2", _waf()._update_ip_set, {**new, **parts})
    record = _waf()._resource_from_scope(_waf()._ip_sets, parts["Id"], parts["Scope"])
    record["Description"] = new.get("Description", "")
    return physical_id, {"Arn": record["ARN"], "Id": parts["Id"]}


def _delete_ip_set(physical_id: str, properties: Properties) -> None:
    del properties
    parts = _parts(physical_id)
    record = _waf()._resource_from_scope(_waf()._ip_sets, parts["Id"], parts["Scope"])
    if record is None:
        return
    checks.unused(record)
    call("Wafv2", _waf()._delete_ip_set, parts)


# --- logging ---


def _put_logging(properties: Properties) -> Made:
    checks.logging(properties)["LoggingConfiguration"] = dict(properties)
    return properties["ResourceArn"], {"ManagedByFirewallManager": False}


def _delete_logging(physical_id: str, properties: Properties) -> None:
    del properties
    acl, _ = _waf()._resolve_local_web_acl(physical_id)
    if acl is not None:
        acl.pop("LoggingConfiguration", None)


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
    "AWS::WAFv2::LoggingConfiguration": Provisioner.by_put(_put_logging, _delete_logging),
    "AWS::WAFv2::WebACLAssociation": Provisioner(_create_association, None, _delete_association),
}
