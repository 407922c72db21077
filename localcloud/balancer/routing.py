"""What a listener does with a request: its rules in order, then its default actions."""

from __future__ import annotations

import fnmatch
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Rule = dict[str, Any]


@dataclass
class Settings:
    """What a listener currently says; read anew for each request."""

    port: int
    protocol: str
    rules: list[dict[str, Any]]
    idle_seconds: float
    drop_invalid_headers: bool
    server_header: bool


def actions_for(rules: list[Rule], method: str, target: str, host: str) -> list[dict[str, Any]]:
    """The actions of the first rule that matches; the default rule always does.

    Conditions other than path, host and method are not looked at: a rule that has one never matches.
    """
    path = urlsplit(target).path if target.startswith("http") else target.split("?", 1)[0]
    name = host.rsplit(":", 1)[0].lower()

    def order(rule: Rule) -> tuple[bool, int]:
        last = rule.get("Priority") == "default"
        return last, 0 if last else int(rule["Priority"])

    for rule in sorted(rules, key=order):
        if rule.get("IsDefault") or all(_holds(c, method, path, name) for c in rule.get("Conditions", [])):
            actions: list[dict[str, Any]] = rule.get("Actions", [])
            return actions
    return []


def _holds(condition: dict[str, Any], method: str, path: str, host: str) -> bool:
    field = condition.get("Field")
    values: list[str] = condition.get("Values") or []
    for key in ("PathPatternConfig", "HostHeaderConfig", "HttpRequestMethodConfig"):
        values = values or (condition.get(key) or {}).get("Values") or []
    if field == "path-pattern":
        return any(fnmatch.fnmatchcase(path, value) for value in values)
    if field == "host-header":
        return any(fnmatch.fnmatchcase(host, value.lower()) for value in values)
    if field == "http-request-method":
        return method in values
    return False


def target_group(action: dict[str, Any]) -> str | None:
    """The target group of a forward action, drawn by weight when it has several."""
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    if not groups:
        return action.get("TargetGroupArn")
    weights = [int(group.get("Weight", 1)) for group in groups]
    if len(groups) == 1:
        weights = [1]
    if not any(weights):
        return None
    chosen: str = random.choices(groups, weights)[0]["TargetGroupArn"]  # noqa: S311 - weights
    return chosen


def redirect_location(config: dict[str, Any], target: str, host: str, protocol: str, port: int) -> str:
    """The Location of a redirect action: #{protocol}, #{host}, #{port}, #{path} and #{query} replaced."""
    path, _, query = target.partition("?")
    name = host.rsplit(":", 1)[0] if ":" in host else host
    values = {
        "#{protocol}": protocol.lower(), "#{host}": name, "#{port}": str(port), "#{path}": path.lstrip("/"),
        "#{query}": query,
    }  # fmt: skip

    def fill(text: str) -> str:
        for key, value in values.items():
            text = text.replace(key, value)
        return text

    scheme = fill(str(config.get("Protocol") or "#{protocol}")).lower()
    where = fill(str(config.get("Host") or "#{host}"))
    number = fill(str(config.get("Port") or "#{port}"))
    location = f"{scheme}://{where}:{number}{fill(str(config.get('Path') or '/#{path}'))}"
    asked = fill(str(config.get("Query", "#{query}")))
    return f"{location}?{asked}" if asked else location
