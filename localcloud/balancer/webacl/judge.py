"""The rules of a web ACL in their order, and what becomes of a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localcloud.balancer.http import Headers
from localcloud.balancer.webacl import managed
from localcloud.balancer.webacl.rates import Rate
from localcloud.balancer.webacl.request import Request
from localcloud.balancer.webacl.statements import View

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
class Match:
    """A rule that matched: what it did ("Allow", "Block", "Count"), and in a group, which of its rules."""

    rule: dict[str, Any]
    action: str
    within: str = ""
    #: What the rule within the group would have done; "" where nothing overrides it.
    overridden: str = ""

    @property
    def metric(self) -> str:
        """The rule's name in metrics and samples."""
        return str((self.rule.get("VisibilityConfig") or {}).get("MetricName") or self.rule["Name"])


@dataclass
class Verdict:
    """What a web ACL decided, and by which rules; `terminating` None stands for its default action."""

    action: str = "Allow"
    terminating: Match | None = None
    counted: list[Match] = field(default_factory=list)
    refusal: Refusal | None = None
    #: What managed groups search, worked out for the first of them.
    parts: managed.Parts | None = None


@dataclass(frozen=True)
class _Known:
    """What is worked out once of a web ACL's rules, for as long as they are the same."""

    rules: list[dict[str, Any]]
    in_order: list[dict[str, Any]]
    reads_bodies: bool


class Judge:
    """Decides on requests, and remembers how many there were. `ip_sets` gives the networks of a set's ARN."""

    def __init__(self, ip_sets: Callable[[str], list[str]]) -> None:
        self._ip_sets = ip_sets
        self._rates: dict[tuple[str, str], Rate] = {}
        self._known: dict[str, _Known] = {}

    def _of(self, acl: dict[str, Any]) -> _Known:
        rules = acl["Rules"]
        found = self._known.get(acl["ARN"])
        if found is None or found.rules is not rules:
            in_order = sorted(rules, key=lambda rule: int(rule["Priority"]))
            found = _Known(rules, in_order, any(_names_body(rule["Statement"]) for rule in rules))
            self._known[acl["ARN"]] = found
        return found

    def reads_bodies(self, acl: dict[str, Any]) -> bool:
        """Whether a rule of the web ACL looks at bodies."""
        return self._of(acl).reads_bodies

    def judge(self, acl: dict[str, Any], request: Request) -> Verdict:
        """What the web ACL does with a request."""
        verdict = Verdict()
        for rule in self._of(acl).in_order:
            match = self._match(acl, rule, request, verdict)
            if match is None:
                continue
            request.labels += [label["Name"] for label in rule.get("RuleLabels") or []]
            if match.action == "Count":
                verdict.counted.append(match)
                continue
            verdict.terminating, verdict.action = match, match.action
            if match.action == "Block":
                # A rule within a group blocks with the load balancer's own page.
                verdict.refusal = _blocked(acl, (rule.get("Action") or {}).get("Block") or {})
            return verdict
        default = acl["DefaultAction"]
        if "Block" in default:
            verdict.action, verdict.refusal = "Block", _blocked(acl, default["Block"])
        return verdict

    def _match(
        self, acl: dict[str, Any], rule: dict[str, Any], request: Request, verdict: Verdict
    ) -> Match | None:
        statement = rule["Statement"]
        group = statement.get("ManagedRuleGroupStatement")
        key = (acl["ARN"], rule["Name"])
        view = View(request, self._ip_sets, lambda *of: self._rates.setdefault(key, Rate()).count(*of))
        if group is None:
            action = next(iter(rule.get("Action") or ()), "Count")
            # CAPTCHA and challenges ask a browser; there is none to be asked here.
            known = action in ("Allow", "Block", "Count")
            return Match(rule, action) if known and view.holds(statement) is True else None
        scope = group.get("ScopeDownStatement")
        if not managed.known(group) or (scope and view.holds(scope) is not True):
            return None
        return _within(rule, group, request, verdict)


def _within(rule: dict[str, Any], group: dict[str, Any], request: Request, verdict: Verdict) -> Match | None:
    """What a managed group does; what its rules only count is added to the verdict."""
    verdict.parts = verdict.parts or managed.Parts(request)
    if not (found := managed.matches(group["Name"], verdict.parts)):
        return None
    actions = {one["Name"]: next(iter(one["ActionToUse"])) for one in group.get("RuleActionOverrides") or []}
    actions |= {one["Name"]: "Count" for one in group.get("ExcludedRules") or []}
    for name, label in found:
        action = actions.get(name, "Block")
        overridden = "Block" if name in actions and action != "Block" else ""
        request.labels.append(label)
        if action == "Count":
            verdict.counted.append(Match(rule, "Count", name, overridden))
            continue
        if action in ("Allow", "Block"):
            count = "Count" in (rule.get("OverrideAction") or {})
            return Match(rule, "Count" if count else action, name, action if count else overridden)
    return None


def _blocked(acl: dict[str, Any], block: dict[str, Any]) -> Refusal:
    custom = block.get("CustomResponse")
    if not custom:
        return Refusal(403, [], None)
    headers = [(h["Name"].encode(), h["Value"].encode()) for h in custom.get("ResponseHeaders") or []]
    given = (acl.get("CustomResponseBodies") or {}).get(custom.get("CustomResponseBodyKey"))
    if given:
        headers.append((b"Content-Type", _CONTENT_TYPES[given["ContentType"]]))
    return Refusal(int(custom["ResponseCode"]), headers, given["Content"].encode() if given else b"")


def _names_body(value: Any) -> bool:
    if isinstance(value, list):
        return any(_names_body(inner) for inner in value)
    if not isinstance(value, dict):
        return False
    return bool(value.keys() & {"Body", "JsonBody", "ManagedRuleGroupStatement"}) or any(
        _names_body(inner) for inner in value.values()
    )
