"""A stand-in for two of AWS's managed rule groups.

AWS publishes the names, labels and purposes of their rules, not their patterns. The names, the labels and
the size limits here are AWS's; the patterns are this project's and catch plain cases of what a rule is for.
So what passes here may be blocked on AWS, and the other way round. `Host_localhost_HEADER` never matches: the
load balancer of a local cloud is at localhost.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import cached_property
from urllib.parse import unquote_plus

from localcloud.balancer.webacl.request import BODY_LIMIT, Request
from localcloud.balancer.webacl.texts import has_script

COMMON, BAD_INPUTS = "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"

_LFI = re.compile(r"\.\.[/\\]|/etc/(?:passwd|shadow|hosts)\b|/proc/self/|\bfile:///", re.IGNORECASE)
_RFI = re.compile(r"\b(?:https?|ftps?|file)://(?:\d{1,3}\.){3}\d{1,3}\b", re.IGNORECASE)
_SSRF = re.compile(r"169\.254\.169\.254|169\.254\.170\.2|fd00:ec2::254|/latest/meta-data", re.IGNORECASE)
_EXTENSION = re.compile(r"\.(?:bak|bat|cfg|cmd|conf|config|dll|exe|ini|log|old|sql|swp)/?\Z", re.IGNORECASE)
_BAD_BOT = re.compile(
    r"nessus|nikto|nmap|sqlmap|masscan|acunetix|openvas|dirbuster|wpscan|zgrab", re.IGNORECASE
)
_JAVA = re.compile(
    r"java\.lang\.(?:runtime|processbuilder)|getruntime\s?\(|class\.module\.classloader|\brO0ABX",
    re.IGNORECASE,
)
_LOG4J = re.compile(r"\$\{\s?(?:jndi\s?:|(?:lower|upper|env|sys)\s?:[^}]{0,64}\}|::-)", re.IGNORECASE)
_REACT = re.compile(r"\$\d{1,4}:(?:__proto__|constructor)\b|:__proto__:then\b", re.IGNORECASE)
_EXPLOITABLE = re.compile(r"/(?:web-inf|meta-inf)(?:/|\Z)", re.IGNORECASE)


class _Parts:
    """The texts that the rules search: decoded once, but a body as it was sent."""

    def __init__(self, request: Request) -> None:
        self.request = request

    @cached_property
    def body(self) -> list[str]:
        return [self.request.body.decode("latin-1")]

    @cached_property
    def path(self) -> list[str]:
        return _decoded([self.request.path])

    @cached_property
    def arguments(self) -> list[str]:
        return _decoded([text for pair in self.request.arguments() for text in pair])

    @cached_property
    def query(self) -> list[str]:
        return _decoded([self.request.query])

    @cached_property
    def cookie(self) -> list[str]:
        return _decoded(self.request.header("cookie"))

    @cached_property
    def headers(self) -> list[str]:
        return [text.decode("latin-1") for pair in self.request.head.headers for text in pair]


Rule = Callable[[_Parts], bool]


def _decoded(texts: list[str]) -> list[str]:
    found = []
    for text in texts:
        once = unquote_plus(text)
        found += list(dict.fromkeys((text, once, html.unescape(once))))
    return found


def _search(part: str, found: Callable[[str], object]) -> Rule:
    return lambda parts: any(found(text) for text in getattr(parts, part))


def _family(
    name: str, found: Callable[[str], object], *parts: tuple[str, str, str]
) -> dict[str, tuple[str, Rule]]:
    """The rules of one purpose: for each (end of its name, end of its label, part that it searches)."""
    return {f"{name}_{end}": (f"{name}_{label}", _search(part, found)) for end, label, part in parts}


_BODY, _COOKIE = ("BODY", "Body", "body"), ("COOKIE", "Cookie", "cookie")
_PATH, _ARGUMENTS = ("URIPATH", "URIPath", "path"), ("QUERYARGUMENTS", "QueryArguments", "arguments")
_HEADER, _QUERY = ("HEADER", "Header", "headers"), ("QUERYSTRING", "QueryString", "query")

#: By group, its label's word and its rules in AWS's order: name -> label and test.
GROUPS: dict[str, tuple[str, dict[str, tuple[str, Rule]]]] = {
    COMMON: (
        "core-rule-set",
        {
            "NoUserAgent_HEADER": ("NoUserAgent_Header", lambda p: not any(p.request.header("user-agent"))),
            "UserAgent_BadBots_HEADER": (
                "BadBots_Header",
                lambda p: any(_BAD_BOT.search(text) for text in p.request.header("user-agent")),
            ),
            "SizeRestrictions_QUERYSTRING": (
                "SizeRestrictions_QueryString", lambda p: len(p.request.query) > 2048
            ),
            "SizeRestrictions_Cookie_HEADER": (
                "SizeRestrictions_Cookie_Header",
                lambda p: any(len(text) > 10_240 for text in p.request.header("cookie")),
            ),
            "SizeRestrictions_BODY": (
                "SizeRestrictions_Body", lambda p: p.request.oversize or len(p.request.body) > BODY_LIMIT
            ),
            "SizeRestrictions_URIPATH": ("SizeRestrictions_URIPath", lambda p: len(p.request.path) > 1024),
            **_family("EC2MetaDataSSRF", _SSRF.search, _BODY, _COOKIE, _PATH, _ARGUMENTS),
            **_family("GenericLFI", _LFI.search, _ARGUMENTS, _PATH, _BODY),
            **_family("RestrictedExtensions", _EXTENSION.search, _PATH, _ARGUMENTS),
            **_family("GenericRFI", _RFI.search, _ARGUMENTS, _BODY, _PATH),
            **_family("CrossSiteScripting", has_script, _COOKIE, _ARGUMENTS, _BODY, _PATH),
        },
    ),
    BAD_INPUTS: (
        "known-bad-inputs",
        {
            **_family("JavaDeserializationRCE", _JAVA.search, _HEADER, _BODY, _PATH, _QUERY),
            "Host_localhost_HEADER": ("Host_Localhost_Header", lambda _: False),
            "PROPFIND_METHOD": ("Propfind_Method", lambda p: p.request.method.upper() == "PROPFIND"),
            **_family("ExploitablePaths", _EXPLOITABLE.search, _PATH),
            **_family("Log4JRCE", _LOG4J.search, _HEADER, _QUERY, _BODY, _PATH),
            **_family("ReactJSRCE", _REACT.search, _BODY),
        },
    ),
}  # fmt: skip


def known(statement: dict[str, object]) -> bool:
    """Whether a ManagedRuleGroupStatement names a group that this stands in for."""
    return statement.get("VendorName") == "AWS" and statement.get("Name") in GROUPS


def matches(group: str, request: Request) -> list[tuple[str, str]]:
    """Names and labels of the group's rules that match, in AWS's order."""
    word, rules = GROUPS[group]
    parts = _Parts(request)
    return [
        (name, f"awswaf:managed:aws:{word}:{label}") for name, (label, test) in rules.items() if test(parts)
    ]


def unknown_rules(statement: dict[str, object]) -> list[str]:
    """Names in the statement's overrides that the group has no rule of."""
    if not known(statement):
        return []
    _, rules = GROUPS[str(statement["Name"])]
    named = [*(statement.get("RuleActionOverrides") or []), *(statement.get("ExcludedRules") or [])]  # type: ignore[misc]
    return [one["Name"] for one in named if one["Name"] not in rules]
