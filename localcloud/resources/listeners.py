"""Elastic Load Balancing: listeners, their rules and further certificates, with all that the template says.

MiniStack's provisioners drop what its own data plane does not do: weights, attributes, tags. What the local
cloud's balancer does not do either is refused here, never skipped: a request that should have been
authenticated must not pass because nobody looked.
"""

from __future__ import annotations

from typing import Any

from localcloud import balancer, emulator
from localcloud.balancer import checks, records, usage
from localcloud.operations import current_or_none
from localcloud.resources.base import Made, Properties, Provisioner

Action = dict[str, Any]


def _cfn() -> Any:
    return emulator.module("services.cloudformation.provisioners")


def _actions(given: list[Action], load_balancer: str) -> list[Action]:
    """The template's actions as the records have them, in their order, numbers as numbers."""
    checks.actions(given, load_balancer)
    found = []
    for number, action in enumerate(given, 1):
        action = {**action, "Order": int(action.get("Order", number))}
        groups = [
            {**group, "Weight": int(group.get("Weight", 1))}
            for group in (action.get("ForwardConfig") or {}).get("TargetGroups") or []
        ]
        if groups:
            action["ForwardConfig"] = {**action["ForwardConfig"], "TargetGroups": groups}
            action.setdefault("TargetGroupArn", groups[0]["TargetGroupArn"])
        found.append(action)
    return sorted(found, key=lambda action: action["Order"])


# --- listeners ---


def _refuse_what_is_not_done(properties: Properties) -> None:
    if (properties.get("MutualAuthentication") or {}).get("Mode", "off") != "off":
        raise checks.not_done("does not ask clients for certificates")
    checks.attributes("listener", properties.get("ListenerAttributes"))


def _settle(arn: str, properties: Properties, actions: list[Action]) -> None:
    alb = records.alb()
    alb._listeners[arn]["DefaultActions"] = actions
    for rule in alb._rules.values():
        if rule["ListenerArn"] == arn and rule.get("IsDefault"):
            rule["Actions"] = actions
    attributes = alb._listener_attrs.setdefault(arn, [])
    _cfn()._elbv2_merge_attributes(attributes, properties.get("ListenerAttributes"))
    usage.note()


def _create_listener(logical_id: str, properties: Properties, stack_name: str) -> Made:
    _refuse_what_is_not_done(properties)
    actions = _actions(properties["DefaultActions"], properties["LoadBalancerArn"])
    operation = current_or_none()
    replaced = operation.previous.get(logical_id, "") if operation and operation.is_update else ""
    with balancer.current().replacing(replaced):
        arn, attributes = _cfn()._elbv2_listener_create(logical_id, properties, stack_name)
    _settle(arn, properties, actions)
    return arn, attributes


def _update_listener(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    _refuse_what_is_not_done(new)
    actions = _actions(new["DefaultActions"], new["LoadBalancerArn"])
    if old["DefaultActions"] == new["DefaultActions"]:
        # A deployment may have moved the weights since; they are its business.
        actions = records.alb()._listeners[physical_id]["DefaultActions"]
    candidate: dict[str, Any] = {**records.alb()._listeners[physical_id], "Port": int(new["Port"])}
    candidate["Protocol"] = new.get("Protocol", "HTTP")
    _cfn()._elbv2_listener_tls(candidate, new)
    # A port that is taken, or a certificate that does not exist, fails the update and not the listener.
    balancer.current().listener_stored(physical_id, candidate)
    made: Made = _cfn()._elbv2_listener_update(physical_id, old, new, stack_name)
    _settle(physical_id, new, actions)
    return made


def _delete_listener(physical_id: str, properties: Properties) -> None:
    _cfn()._elbv2_listener_delete(physical_id, properties)
    records.alb()._listener_attrs.pop(physical_id, None)
    usage.note()


# --- rules ---


def _check_rule(properties: Properties, arn: str | None) -> list[Action]:
    """The rule's actions, once nothing speaks against the rule; `arn` is its own when it exists."""
    listener, priority = properties["ListenerArn"], str(properties["Priority"])
    record = records.listener(listener)
    if record is None:
        raise ValueError(f"Listener '{listener}' not found")
    if properties.get("Transforms"):
        raise checks.not_done("has no transforms")
    for condition in properties["Conditions"]:
        if any("RegexValues" in part for part in (condition, *condition.values())):
            raise checks.not_done("compares with Values, not with RegexValues")
    checks.priority(listener, priority, () if arn is None else (arn,))
    return _actions(properties["Actions"], record["LoadBalancerArn"])


def _create_rule(logical_id: str, properties: Properties, stack_name: str) -> Made:
    actions = _check_rule(properties, None)
    arn, _ = _cfn()._elbv2_listener_rule_create(logical_id, properties, stack_name)
    records.alb()._tags[arn] = _cfn()._elbv2_tags(properties.get("Tags"))
    return _settle_rule(arn, properties, actions)


def _settle_rule(arn: str, properties: Properties, actions: list[Action]) -> Made:
    records.alb()._rules[arn].update(Actions=actions, Conditions=[_flat(c) for c in properties["Conditions"]])
    usage.note()
    return arn, {"RuleArn": arn, "IsDefault": False}


def _flat(condition: dict[str, Any]) -> dict[str, Any]:
    """A condition with its plain values in `Values` too, which is where the API's answers take them from."""
    config: dict[str, Any] = next((v for key, v in condition.items() if key.endswith("Config")), {})
    plain = [value for value in config.get("Values") or [] if isinstance(value, str)]
    return {**condition, "Values": condition.get("Values") or ([] if "HttpHeaderName" in config else plain)}


def _update_rule(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    actions = _check_rule(new, physical_id)
    if old["Actions"] == new["Actions"]:
        # A deployment may have moved the weights since; they are its business.
        actions = records.alb()._rules[physical_id]["Actions"]
    _cfn()._elbv2_listener_rule_update(physical_id, old, new, stack_name)
    _cfn()._reconcile_tag_list(records.alb()._tags.setdefault(physical_id, []), old, new)
    return _settle_rule(physical_id, new, actions)


def _delete_rule(physical_id: str, properties: Properties) -> None:
    _cfn()._elbv2_listener_rule_delete(physical_id, properties)
    records.alb()._tags.pop(physical_id, None)
    usage.note()


# --- further certificates of a listener, chosen by the name that a client asks for ---


def _put_certificates(properties: Properties) -> Made:
    arn = properties["ListenerArn"]
    record = records.listener(arn)
    if record is None:
        raise ValueError(f"Listener '{arn}' not found")
    further = [certificate["CertificateArn"] for certificate in properties["Certificates"]]
    balancer.current().listener_stored(arn, {**record, "AdditionalCertificates": further})
    record["AdditionalCertificates"] = further
    return arn, {"Id": arn}


def _delete_certificates(physical_id: str, properties: Properties) -> None:
    del properties
    if record := records.listener(physical_id):
        record.pop("AdditionalCertificates", None)


PROVISIONERS = {
    "AWS::ElasticLoadBalancingV2::Listener": Provisioner(
        _create_listener, _update_listener, _delete_listener, tagged=True
    ),
    "AWS::ElasticLoadBalancingV2::ListenerRule": Provisioner(
        _create_rule, _update_rule, _delete_rule, tagged=True
    ),
    "AWS::ElasticLoadBalancingV2::ListenerCertificate": Provisioner.by_put(
        _put_certificates, _delete_certificates
    ),
}
