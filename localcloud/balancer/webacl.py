"""The web ACL in front of a load balancer: its rules in order, for what can be judged by address and headers.

IP sets, rates, strings, regular expressions and sizes are judged as AWS WAF does. What needs the body, rule
groups of AWS, or knowledge of the world (countries, bots) cannot be told here and never matches.
"""

from __future__ import annotations

import base64
import operator
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import unquote_plus

from localcloud.balancer.http import Head, Headers

Statement = dict[str, Any]
#: Whether a statement holds; None when it cannot be told.
Truth = bool | None

_SLICE_SECONDS = 10
#: As many keys of one rule are watched, as on AWS.
_MOST_KEYS = 10_000

_CONTENT_TYPES = {
    "TEXT_PLAIN": b"text/plain", "TEXT_HTML": b"text/html", "APPLICATION_JSON": b"application/json"
}  # fmt: skip


@dataclass(frozen=True)
class Refusal:
    """What a blocked client is told; `body` None is the load balancer's own page."""

    status: int
    headers: Headers
    body: bytes | None


@dataclass
class _Rate:
    """How often each key came, by slices of time."""

    slices: dict[int, Counter[str]] = field(default_factory=dict)

    def count(self, key: str, window: float) -> int:
        """Note one more; how many that makes within the window (seconds)."""
        now = int(time.monotonic() // _SLICE_SECONDS)
        oldest = now - int(window // _SLICE_SECONDS)
        for past in [past for past in self.slices if past <= oldest]:
            del self.slices[past]
        current = self.slices.setdefault(now, Counter())
        if key in current or len(current) < _MOST_KEYS:
            current[key] += 1
        return sum(counts[key] for counts in self.slices.values())


class Judge:
    """Decides on requests, and remembers how many there were. `ip_sets` gives the networks of a set's ARN."""

    def __init__(self, ip_sets: Callable[[str], list[str]]) -> None:
        self._ip_sets = ip_sets
        self._rates: dict[tuple[str, str], _Rate] = {}

    def refusal(self, acl: dict[str, Any], head: Head, client: str) -> Refusal | None:
        """Why the web ACL lets a request of `client` (an address) not pass, None when it does."""
        for rule in sorted(acl["Rules"], key=lambda rule: int(rule["Priority"])):
            view = _View(self, (acl["ARN"], rule["Name"]), head, client)
            action = next(iter(rule.get("Action") or ()), "Count")
            if view.holds(rule["Statement"]) is not True or action not in ("Allow", "Block"):
                continue
            return _blocked(acl, rule["Action"]["Block"]) if action == "Block" else None
        default = acl["DefaultAction"]
        return _blocked(acl, default["Block"]) if "Block" in default else None

    def count(self, rule: tuple[str, str], key: str, window: float) -> int:
        """Note one more request of a rule's key; how many that makes within the window (seconds)."""
        return self._rates.setdefault(rule, _Rate()).count(key, window)

    def networks(self, arn: str) -> list[str]:
        """The networks of an IP set."""
        return self._ip_sets(arn)


def _blocked(acl: dict[str, Any], block: dict[str, Any]) -> Refusal:
    custom = block.get("CustomResponse")
    if not custom:
        return Refusal(403, [], None)
    headers = [(h["Name"].encode(), h["Value"].encode()) for h in custom.get("ResponseHeaders") or []]
    given = (acl.get("CustomResponseBodies") or {}).get(custom.get("CustomResponseBodyKey"))
    if given:
        headers.append((b"Content-Type", _CONTENT_TYPES[given["ContentType"]]))
    return Refusal(int(custom["ResponseCode"]), headers, given["Content"].encode() if given else b"")


class _View:
    """One request as one rule looks at it."""

    def __init__(self, judge: Judge, rule: tuple[str, str], head: Head, client: str) -> None:
        self.judge, self.rule, self.head, self.client = judge, rule, head, client
        self.path, _, self.query = head.first[1].decode("latin-1").partition("?")

    def holds(self, statement: Statement) -> Truth:
        """Whether a statement holds."""
        ((kind, body),) = statement.items()
        if kind == "NotStatement":
            inner = self.holds(body["Statement"])
            return None if inner is None else not inner
        if kind in ("AndStatement", "OrStatement"):
            found = [self.holds(inner) for inner in body["Statements"]]
            decided = kind == "OrStatement"
            return decided if decided in found else None if None in found else not decided
        if kind == "IPSetReferenceStatement" and "IPSetForwardedIPConfig" not in body:
            address = ip_address(self.client)
            return any(address in ip_network(n, strict=False) for n in self.judge.networks(body["ARN"]))
        if kind == "RateBasedStatement":
            return self._too_often(body)
        if kind in _COMPARISONS:
            texts = self._texts(body)
            return None if texts is None else any(_COMPARISONS[kind](text, body) for text in texts)
        return None

    def _too_often(self, body: Statement) -> Truth:
        scope = body.get("ScopeDownStatement")
        key = self._key(body)
        if key is None or (scope and self.holds(scope) is not True):
            return False
        window = int(body.get("EvaluationWindowSec", 300))
        return self.judge.count(self.rule, key, window) > int(body["Limit"])

    def _key(self, body: Statement) -> str | None:
        """What a request is counted under; None when it lacks a part of it, or the part is unknown here."""
        if body["AggregateKeyType"] == "IP":
            return self.client
        if body["AggregateKeyType"] == "CONSTANT":
            return ""
        parts = []
        for custom in body.get("CustomKeys") or []:
            ((kind, of),) = custom.items()
            if kind == "IP":
                parts.append(self.client)
                continue
            wanted = {
                "Header": {"SingleHeader": of},
                "HTTPMethod": {"Method": {}},
                "UriPath": {"UriPath": {}},
            }
            if kind not in wanted:
                return None
            texts = self._texts({"TextTransformations": [], **of, "FieldToMatch": wanted[kind]})
            if not texts:
                return None
            parts += texts
        return "\n".join(parts) if parts else None

    def _texts(self, body: Statement) -> list[str] | None:
        """The transformed values of a statement's field, None when they are not to be had here."""
        ((kind, of),) = body["FieldToMatch"].items()
        if kind == "SingleHeader":
            name = of["Name"].lower().encode()
            found = [value.decode("latin-1") for key, value in self.head.headers if key.lower() == name]
        elif kind in ("UriPath", "QueryString", "Method"):
            method = self.head.first[0].decode("latin-1")
            found = [{"UriPath": self.path, "QueryString": self.query, "Method": method}[kind]]
        else:
            return None
        for step in sorted(body["TextTransformations"], key=lambda step: int(step["Priority"])):
            change = _TRANSFORMATIONS.get(step["Type"])
            if change is None:
                return None
            found = [change(text) for text in found]
        return found


_TRANSFORMATIONS: dict[str, Callable[[str], str]] = {
    "NONE": lambda text: text,
    "LOWERCASE": str.lower,
    "URL_DECODE": unquote_plus,
    "COMPRESS_WHITE_SPACE": lambda text: re.sub(r"\s+", " ", text),
}


def _is_like(text: str, body: Statement) -> bool:
    wanted = base64.b64decode(body["SearchString"]).decode("latin-1")
    where = body["PositionalConstraint"]
    if where == "CONTAINS_WORD":
        return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text) is not None
    if where == "STARTS_WITH":
        return text.startswith(wanted)
    if where == "ENDS_WITH":
        return text.endswith(wanted)
    return text == wanted if where == "EXACTLY" else wanted in text


def _matches(text: str, body: Statement) -> bool:
    return re.search(body["RegexString"], text) is not None


def _has_size(text: str, body: Statement) -> bool:
    compare = {"EQ": operator.eq, "NE": operator.ne, "LE": operator.le, "LT": operator.lt, "GE": operator.ge,
               "GT": operator.gt}  # fmt: skip
    return bool(compare[body["ComparisonOperator"]](len(text), int(body["Size"])))


_COMPARISONS: dict[str, Callable[[str, Statement], bool]] = {
    "ByteMatchStatement": _is_like,
    "RegexMatchStatement": _matches,
    "SizeConstraintStatement": _has_size,
}
