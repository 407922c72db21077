"""Requests of the ELBv2 API that MiniStack's handlers take although AWS refuses them, or answer in part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from localcloud import emulator
from localcloud.balancer import checks, records, usage
from localcloud.balancer.attributes import DEFAULTS
from localcloud.balancer.checks import ElbError, Record

Params = dict[str, list[str]]
Handler = Callable[[Params], Any]

#: Kind -> what its actions are called after, the parameter with its ARN, and MiniStack's store of attributes.
_KINDS = {
    "load balancer": ("LoadBalancer", "LoadBalancerArn", "_lb_attrs"),
    "target group": ("TargetGroup", "TargetGroupArn", "_tg_attrs"),
    "listener": ("Listener", "ListenerArn", "_listener_attrs"),
}
_BALANCERS, _GROUPS = ("LoadBalancer", "_lbs"), ("TargetGroup", "_tgs")
_LISTENERS, _RULES = ("Listener", "_listeners"), ("Rule", "_rules")
#: Action -> the parameters that name what has to be there, its kind, and MiniStack's store of it.
_NAMED = {
    "DescribeLoadBalancers": (("LoadBalancerArns", *_BALANCERS), ("Names", *_BALANCERS)),
    "DescribeTargetGroups": (
        ("TargetGroupArns", *_GROUPS), ("Names", *_GROUPS), ("LoadBalancerArn", *_BALANCERS),
    ),
    "DescribeListeners": (("ListenerArns", *_LISTENERS), ("LoadBalancerArn", *_BALANCERS)),
    "DescribeRules": (("RuleArns", *_RULES), ("ListenerArn", *_LISTENERS)),
    "DeleteRule": (("RuleArn", *_RULES),),
}  # fmt: skip
#: Actions after which other balancers may forward to a target group.
_FORWARDING = (
    "CreateListener", "ModifyListener", "DeleteListener", "CreateRule", "ModifyRule", "DeleteRule",
    "DeleteLoadBalancer",
)  # fmt: skip


def install(alb: Any) -> None:
    """Check before MiniStack's `alb` does what is asked."""
    actions: dict[str, Handler] = alb._ACTION_MAP
    delete_listener = actions["DeleteListener"]
    for action, check in _CHECKS.items():
        actions[action] = _after(check, actions[action])
    for action in _NAMED:
        actions[action] = _after(partial(_present, action), actions[action])
    for kind, (name, _, _) in _KINDS.items():
        describe, modify = f"Describe{name}Attributes", f"Modify{name}Attributes"
        actions[modify] = _all_attributes(kind, modify, _after(_attributes_of(kind), actions[modify]))
        actions[describe] = _all_attributes(kind, describe, actions[describe])
    actions["CreateLoadBalancer"] = _balancer_once(actions["CreateLoadBalancer"])
    actions["CreateTargetGroup"] = _group_once(actions["CreateTargetGroup"])
    actions["CreateListener"] = _listener_once(actions["CreateListener"])
    actions["DeleteLoadBalancer"] = _with_listeners(actions["DeleteLoadBalancer"], delete_listener)
    for action in _FORWARDING:
        actions[action] = _noted(actions[action])


def _after(check: Callable[[Params], None], handler: Handler) -> Handler:
    def handle(params: Params) -> Any:
        try:
            check(params)
        except ElbError as exc:
            return records.alb()._error(exc.code, str(exc))
        return handler(params)

    return handle


def _noted(handler: Handler) -> Handler:
    def handle(params: Params) -> Any:
        answer = handler(params)
        usage.note()
        return answer

    return handle


def _one(params: Params, name: str) -> str:
    return str(records.alb()._p(params, name))


def _members(params: Params, name: str) -> Iterator[str]:
    """The prefixes of a list's members that are there."""
    number = 1
    while any(key.startswith(f"{name}.member.{number}") for key in params):
        yield f"{name}.member.{number}"
        number += 1


def _present(action: str, params: Params) -> None:
    """Everything that is named is there."""
    alb = records.alb()
    for parameter, kind, store in _NAMED[action]:
        stored = getattr(alb, store)
        there = {record[f"{kind}Name"] for record in stored.values()} if parameter == "Names" else stored
        named = [_one(params, parameter), *(_one(params, member) for member in _members(params, parameter))]
        if any(name and name not in there for name in named):
            words = {"LoadBalancer": "load balancers", "TargetGroup": "target groups"}.get(kind)
            raise ElbError(f"{kind}NotFound", f"One or more {words or kind.lower() + 's'} not found")


# --- rules ---


def _conditions(params: Params) -> None:
    if any("RegexValues" in name for name in params):
        raise checks.not_done("compares with Values, not with RegexValues")
    if any(name.startswith("Transforms.") for name in params):
        raise checks.not_done("has no transforms")


def _creating_rule(params: Params) -> None:
    listener = _one(params, "ListenerArn")
    if records.listener(listener) is None:
        raise ElbError("ListenerNotFound", f"Listener '{listener}' not found")
    _conditions(params)
    checks.priority(listener, _one(params, "Priority"))
    _actions(params, listener)


def _modifying_rule(params: Params) -> None:
    _conditions(params)
    _actions(params, (records.alb()._rules.get(_one(params, "RuleArn")) or {}).get("ListenerArn", ""))


def _actions(params: Params, listener: str) -> None:
    balancer = (records.listener(listener) or {}).get("LoadBalancerArn", "")
    checks.actions(records.alb()._parse_actions(params, "Actions"), balancer)


def _setting_priorities(params: Params) -> None:
    """All of them or none: a priority may be one that another of these rules gives up."""
    wanted = {
        _one(params, f"{member}.RuleArn"): _one(params, f"{member}.Priority")
        for member in _members(params, "RulePriorities")
    }
    rules: dict[str, Record] = records.alb()._rules
    for arn, priority in wanted.items():
        if arn not in rules:
            raise ElbError("RuleNotFound", "One or more rules not found")
        if rules[arn]["IsDefault"]:
            raise ElbError("OperationNotPermitted", f"Default rule '{arn}' has no priority")
        checks.priority(rules[arn]["ListenerArn"], priority, wanted)
    if len(set(wanted.values())) < len(wanted):
        raise ElbError("PriorityInUse", "Two rules cannot have the same priority")


# --- listeners, load balancers ---


def _listener_once(create: Handler) -> Handler:
    """The same request again gets the same listener, another one for its port an error."""

    def handle(params: Params) -> Any:
        alb = records.alb()
        balancer, port = _one(params, "LoadBalancerArn"), _one(params, "Port")
        for record in alb._listeners.values():
            if (record["LoadBalancerArn"], str(record["Port"])) != (balancer, port):
                continue
            same = record["DefaultActions"] == alb._parse_actions(params, "DefaultActions")
            if same and record["Protocol"] == _one(params, "Protocol"):
                return alb._xml(200, "CreateListener", f"<Listeners>{alb._listener_xml(record)}</Listeners>")
            return alb._error(
                "DuplicateListener", f"A listener already exists on port {port} of '{balancer}'"
            )
        return create(params)

    return handle


def _balancer_once(create: Handler) -> Handler:
    """The same request again gets the same load balancer."""

    def handle(params: Params) -> Any:
        alb = records.alb()
        name = _one(params, "Name")
        record = next((lb for lb in alb._lbs.values() if lb["LoadBalancerName"] == name), None)
        if record is None:
            return create(params)
        asked = {
            "Scheme": _one(params, "Scheme") or "internet-facing",
            "Type": _one(params, "Type") or "application",
            "IpAddressType": _one(params, "IpAddressType") or "ipv4",
        }
        listed = all(
            set(record[key]) == set(alb._parse_member_list(params, key))
            for key in ("Subnets", "SecurityGroups")
        )
        if not listed or any(record[key] != value for key, value in asked.items()):
            return create(params)
        return alb._xml(200, "CreateLoadBalancer", f"<LoadBalancers>{alb._lb_xml(record)}</LoadBalancers>")

    return handle


def _placing(params: Params) -> None:
    """What a load balancer stands in, and its security groups."""
    mapped = [_one(params, f"{member}.SubnetId") for member in _members(params, "SubnetMappings")]
    checks.place("subnet", [*records.alb()._parse_member_list(params, "Subnets"), *mapped])
    checks.place("group", records.alb()._parse_member_list(params, "SecurityGroups"))


def _default_actions(params: Params) -> None:
    listener = records.listener(_one(params, "ListenerArn")) or {}
    balancer = listener.get("LoadBalancerArn") or _one(params, "LoadBalancerArn")
    checks.actions(records.alb()._parse_actions(params, "DefaultActions"), balancer)


def _with_listeners(delete: Handler, delete_listener: Handler) -> Handler:
    """A load balancer goes with its listeners, and its web ACL guards something less."""

    def handle(params: Params) -> Any:
        arn = _one(params, "LoadBalancerArn")
        listeners = records.alb()._listeners
        for listener in [key for key, record in listeners.items() if record["LoadBalancerArn"] == arn]:
            delete_listener({"ListenerArn": [listener]})
        emulator.module("services.waf")._associations.pop(arn, None)
        return delete(params)

    return _after(lambda params: checks.unprotected(_one(params, "LoadBalancerArn")), handle)


# --- target groups ---


def _creating_group(params: Params) -> None:
    checks.place("vpc", filter(None, [_one(params, "VpcId")]))
    checks.health_check({name: values[0] for name, values in params.items()})


def _modifying_group(params: Params) -> None:
    given = {name: values[0] for name, values in params.items()}
    checks.health_check(given, records.group(_one(params, "TargetGroupArn")))


def _group_once(create: Handler) -> Handler:
    """The same request again gets the same target group."""

    def handle(params: Params) -> Any:
        alb = records.alb()
        name = _one(params, "Name")
        record = next((group for group in alb._tgs.values() if group["TargetGroupName"] == name), None)
        if record is not None and all(
            str(record[key]) == values[0] for key, values in params.items() if key in record
        ):
            return alb._xml(200, "CreateTargetGroup", f"<TargetGroups>{alb._tg_xml(record)}</TargetGroups>")
        return create(params)

    return handle


# --- attributes ---


def _attributes_of(kind: str) -> Callable[[Params], None]:
    def check(params: Params) -> None:
        checks.attributes(
            kind,
            [
                {"Key": _one(params, f"{member}.Key"), "Value": _one(params, f"{member}.Value")}
                for member in _members(params, "Attributes")
            ],
        )

    return check


def _all_attributes(kind: str, action: str, handler: Handler) -> Handler:
    """What is set, and the default of everything else."""
    _, parameter, store = _KINDS[kind]

    def handle(params: Params) -> Any:
        answer = handler(params)
        if answer[0] != 200:
            return answer
        alb = records.alb()
        values = {**DEFAULTS[kind], **records.attributes(getattr(alb, store), _one(params, parameter))}
        listed = [{"Key": key, "Value": value} for key, value in values.items()]
        return alb._xml(200, action, f"<Attributes>{alb._attrs_xml(listed)}</Attributes>")

    return handle


_CHECKS: dict[str, Callable[[Params], None]] = {
    "CreateRule": _creating_rule,
    "ModifyRule": _modifying_rule,
    "SetRulePriorities": _setting_priorities,
    "CreateLoadBalancer": _placing,
    "SetSubnets": _placing,
    "SetSecurityGroups": _placing,
    "CreateListener": _default_actions,
    "ModifyListener": _default_actions,
    "CreateTargetGroup": _creating_group,
    "ModifyTargetGroup": _modifying_group,
    "DeleteTargetGroup": lambda params: checks.unused(_one(params, "TargetGroupArn")),
}
