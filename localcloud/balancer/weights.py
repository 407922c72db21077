"""How a rule's forward action divides requests among its target groups: in the API, and as ECS moves it."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from localcloud.balancer import records

Action = dict[str, Any]


class NoForwardError(LookupError):
    """There is no such rule, or it forwards to nothing; the message is AWS's."""


def of_rule(arn: str) -> dict[str, int]:
    """The weight of each target group that the rule forwards to. Raises NoForwardError."""
    return of_action(_forward(arn))


def of_action(action: Action) -> dict[str, int]:
    """The weight of each target group of a forward action; a single group gets everything."""
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    if len(groups) > 1:
        return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups}
    only = groups[0]["TargetGroupArn"] if groups else action.get("TargetGroupArn")
    return {only: 1} if only else {}


def set_of_rule(arn: str, weights: dict[str, int]) -> None:
    """Divide the rule's requests anew, from the next request on. Raises NoForwardError."""
    action = _forward(arn)
    config = {**(action.get("ForwardConfig") or {})}
    config["TargetGroups"] = [
        {"TargetGroupArn": group, "Weight": weight} for group, weight in weights.items()
    ]
    action.update(ForwardConfig=config, TargetGroupArn=next(iter(weights)))


def _forward(arn: str) -> Action:
    for key, rule in records.alb()._rules.all_items():
        if key[2] == arn:
            for action in rule.get("Actions", []):
                if action.get("Type") == "forward":
                    found: Action = action
                    return found
            raise NoForwardError(f"Rule {arn} has no forward action")
    raise NoForwardError("One or more rules not found")


def install() -> None:
    """Have the ELBv2 API take and show `ForwardConfig`, which MiniStack drops."""
    alb = records.alb()
    parse, show = alb._parse_actions, alb._action_xml

    def parsed(params: Any, prefix: str = "DefaultActions") -> list[Action]:
        actions: list[Action] = parse(params, prefix)
        for number, action in enumerate(actions, start=1):
            if config := _parsed_config(alb, params, f"{prefix}.member.{number}.ForwardConfig"):
                action["ForwardConfig"] = config
                action.setdefault("TargetGroupArn", config["TargetGroups"][0]["TargetGroupArn"])
        return actions

    def shown(action: Action) -> str:
        groups = of_action(action)
        if action.get("Type") != "forward" or not groups:
            return str(show(action))
        if len(groups) > 1:
            # AWS names a group beside the configuration only when it is the only one.
            action = {key: value for key, value in action.items() if key != "TargetGroupArn"}
        text = str(show(action))
        return text.replace("</member>", f"{_config_xml(action, groups)}</member>")

    alb._parse_actions, alb._action_xml = parsed, shown


def _parsed_config(alb: Any, params: Any, at: str) -> dict[str, Any]:
    groups: list[dict[str, Any]] = []
    while arn := alb._p(params, f"{at}.TargetGroups.member.{len(groups) + 1}.TargetGroupArn"):
        weight = alb._p(params, f"{at}.TargetGroups.member.{len(groups) + 1}.Weight")
        groups.append({"TargetGroupArn": arn, "Weight": int(weight or 1)})
    if not groups:
        return {}
    config: dict[str, Any] = {"TargetGroups": groups}
    if enabled := alb._p(params, f"{at}.TargetGroupStickinessConfig.Enabled"):
        config["TargetGroupStickinessConfig"] = {"Enabled": enabled.lower() == "true"}
        if seconds := alb._p(params, f"{at}.TargetGroupStickinessConfig.DurationSeconds"):
            config["TargetGroupStickinessConfig"]["DurationSeconds"] = int(seconds)
    return config


def _config_xml(action: Action, groups: dict[str, int]) -> str:
    members = "".join(
        f"<member><TargetGroupArn>{escape(arn)}</TargetGroupArn><Weight>{weight}</Weight></member>"
        for arn, weight in groups.items()
    )
    sticky = (action.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
    enabled = str(sticky.get("Enabled", False)).lower()
    seconds = sticky.get("DurationSeconds")
    duration = f"<DurationSeconds>{seconds}</DurationSeconds>" if seconds else ""
    return (
        f"<ForwardConfig><TargetGroups>{members}</TargetGroups><TargetGroupStickinessConfig>"
        f"<Enabled>{enabled}</Enabled>{duration}</TargetGroupStickinessConfig></ForwardConfig>"
    )
