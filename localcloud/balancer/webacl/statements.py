"""Whether a statement of a web ACL's rule holds for a request."""

from __future__ import annotations

import base64
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from localcloud.balancer.webacl.request import DecidedError, Request
from localcloud.balancer.webacl.texts import has_script, transformed

Statement = dict[str, Any]
#: Whether a statement holds; None when it cannot be told.
Truth = bool | None

_network: Callable[[str], IPv4Network | IPv6Network] = lru_cache(4096)(
    lambda text: ip_network(text, strict=False)
)


class View:
    """One request as one rule looks at it.

    `networks` gives the networks of an IP set's ARN; `count` notes one more request of a key within a window
    (seconds) and says how many that makes.
    """

    def __init__(
        self, request: Request, networks: Callable[[str], list[str]], count: Callable[[str, float], int]
    ) -> None:
        self.request, self._networks, self._count = request, networks, count

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
            address = ip_address(self.request.client)
            return any(address in _network(network) for network in self._networks(body["ARN"]))
        if kind == "RateBasedStatement":
            return self._too_often(body)
        if kind == "LabelMatchStatement":
            return any(_has_label(label, body) for label in self.request.labels)
        if kind in _COMPARISONS:
            try:
                texts = self._texts(body)
            except DecidedError as exc:
                return exc.matches
            return None if texts is None else any(_COMPARISONS[kind](text, body) for text in texts)
        return None

    def _texts(self, body: Statement) -> list[str] | None:
        """The transformed values of a statement's field, None when they are not to be had here."""
        texts = self.request.texts(body["FieldToMatch"])
        return None if texts is None else transformed(texts, body["TextTransformations"])

    def _too_often(self, body: Statement) -> Truth:
        scope = body.get("ScopeDownStatement")
        key = self._key(body)
        if key is None or (scope and self.holds(scope) is not True):
            return False
        window = int(body.get("EvaluationWindowSec", 300))
        return self._count(key, window) > int(body["Limit"])

    def _key(self, body: Statement) -> str | None:
        """What a request is counted under; None when it lacks a part of it, or the part is unknown here."""
        if body["AggregateKeyType"] == "IP":
            return self.request.client
        if body["AggregateKeyType"] == "CONSTANT":
            return ""
        parts = []
        for custom in body.get("CustomKeys") or []:
            ((kind, of),) = custom.items()
            if kind == "IP":
                parts.append(self.request.client)
                continue
            wanted = {
                "Header": {"SingleHeader": of}, "QueryArgument": {"SingleQueryArgument": of},
                "QueryString": {"QueryString": {}}, "HTTPMethod": {"Method": {}}, "UriPath": {"UriPath": {}},
            }  # fmt: skip
            if kind not in wanted:
                return None
            texts = self._texts({"TextTransformations": [], **of, "FieldToMatch": wanted[kind]})
            if not texts:
                return None
            parts += texts
        return "\n".join(parts) if parts else None


def _has_label(label: str, body: Statement) -> bool:
    wanted = body["Key"]
    if body["Scope"] == "LABEL":
        return label == wanted or label.endswith(f":{wanted}")
    wanted = wanted if wanted.endswith(":") else f"{wanted}:"
    return label.startswith(wanted) or f":{wanted}" in label


@lru_cache(1024)
def _decoded(search: str) -> str:
    return base64.b64decode(search).decode("latin-1")


def _is_like(text: str, body: Statement) -> bool:
    wanted = _decoded(body["SearchString"])
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
    "XssMatchStatement": lambda text, _: has_script(text),
}
