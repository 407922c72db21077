"""What a listener does with a request: its rules in order, then its default actions."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from localcloud.balancer.http import BadMessageError, Head

Rule = dict[str, Any]


@dataclass
class Settings:
    """What a listener says; looked up anew whenever the records may have changed."""

    port: int
    protocol: str
    #: In the order in which they are tried.
    rules: list[dict[str, Any]]
    idle_seconds: float
    drop_invalid_headers: bool
    server_header: bool
    #: What listener attributes put into every answer.
    added_headers: dict[bytes, bytes] = field(default_factory=dict)
    #: ARN of the load balancer, and of the certificate it shows.
    load_balancer: str = ""
    certificate: str = "-"
    #: Bucket and prefix of the access logs, None when there are none.
    access_logs: tuple[str, str] | None = None
    #: Whether requests that others might read in another way are refused, harmless ones too.
    strictest: bool = False


def in_order(rules: Iterable[Rule]) -> list[Rule]:
    """By priority, the default rule last."""

    def order(rule: Rule) -> tuple[bool, int]:
        last = rule.get("Priority") == "default"
        return last, 0 if last else int(rule["Priority"])

    return sorted(rules, key=order)


def rule_for(rules: list[Rule], head: Head, client: str) -> Rule:
    """The first of the rules, which are in their order, that matches a request from address `client`.

    Raises BadMessageError for a target that is no URL.
    """
    request = _Request(head, client)
    for rule in rules:
        if rule.get("IsDefault") or all(request.meets(c) for c in rule.get("Conditions", [])):
            return rule
    return {}


class _Request:
    """What the conditions of rules look at."""

    def __init__(self, head: Head, client: str) -> None:
        method, target, _ = head.first
        self.head, self.client, self.method = head, client, method.decode("latin-1")
        text = target.decode("latin-1")
        if text.startswith("http"):
            try:
                parts = urlsplit(text)
            except ValueError as exc:
                raise BadMessageError("not a URL", "BadUri") from exc
            self.path, self._query = parts.path, parts.query
        else:
            self.path, _, self._query = text.partition("?")

    @cached_property
    def parameters(self) -> list[tuple[str, str]]:
        """Names and values of the query."""
        return parse_qsl(self._query, keep_blank_values=True)

    @cached_property
    def host(self) -> str:
        """The name in Host, without its port."""
        host = (self.head.get(b"host") or b"").decode("latin-1")
        return host.rpartition(":")[0] or host if not host.endswith("]") else host

    def meets(self, condition: dict[str, Any]) -> bool:
        """Whether a condition holds. One of an unknown kind never does."""
        field = condition.get("Field")
        config: dict[str, Any] = next((v for key, v in condition.items() if key.endswith("Config")), {})
        values = condition.get("Values") or config.get("Values") or []
        if field == "path-pattern":
            return any(_like(self.path, value, exact=True) for value in values)
        if field == "host-header":
            return any(_like(self.host, value) for value in values)
        if field == "http-request-method":
            return self.method in values
        if field == "http-header":
            given = self.head.values(config["HttpHeaderName"].lower().encode())
            found = [value.decode("latin-1") for value in given]
            return any(_like(text, value) for text in found for value in values)
        if field == "query-string":
            return any(self._asks(value) for value in values)
        if field == "source-ip":
            return any(ip_address(self.client) in ip_network(value) for value in values)
        return False

    def _asks(self, wanted: dict[str, str]) -> bool:
        return any(
            ("Key" not in wanted or _like(key, wanted["Key"])) and _like(value, wanted["Value"])
            for key, value in self.parameters
        )


def _like(text: str, pattern: str, exact: bool = False) -> bool:
    """Whether the text is as the pattern says, where only * and ? are special; `exact`: case counts."""
    return _expression(pattern, exact).fullmatch(text) is not None


@lru_cache(1024)
def _expression(pattern: str, exact: bool) -> re.Pattern[str]:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(expression, re.DOTALL | (0 if exact else re.IGNORECASE))


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
