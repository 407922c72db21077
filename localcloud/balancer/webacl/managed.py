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
from dataclasses import dataclass
from urllib.parse import unquote_plus

from localcloud.balancer.webacl.request import BODY_LIMIT, Request
from localcloud.balancer.webacl.texts import has_script

COMMON, BAD_INPUTS = "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"


class Parts:
    """The texts that the rules search, in lower case: decoded, but a body as it was sent."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.body = [request.body.decode("latin-1").lower()] if request.body else []
        self.path = _decoded([request.path])
        self.query = _decoded([request.query])
        self.arguments = _decoded([text for pair in request.arguments() for text in pair])
        self.cookie = _decoded(request.header("cookie"))
        fields = b"\n".join([b"%b\n%b" % pair for pair in request.head.headers])
        self.headers = [fields.decode("latin-1").lower()]


Rule = Callable[[Parts], bool]


def _decoded(texts: list[str]) -> list[str]:
    """In lower case, as they are and with what they hide."""
    found = []
    for text in map(str.lower, texts):
        if not text:
            continue
        once = unquote_plus(text)
        found += list(dict.fromkeys((text, once, html.unescape(once).lower())))
    return found


@dataclass(frozen=True)
class _Finder:
    """What is looked for in a text in lower case; each find has one of the `needles`.

    Nearly all requests have none, and looking for plain strings is very much quicker.
    """

    test: Callable[[str], object]
    needles: tuple[str, ...]

    def __call__(self, text: str) -> bool:
        return any(needle in text for needle in self.needles) and bool(self.test(text))


def _finder(pattern: str, *needles: str) -> _Finder:
    return _Finder(re.compile(pattern).search, needles)


@dataclass(frozen=True)
class _Search:
    """A rule that looks for something in one part of a request."""

    part: str
    finder: _Finder

    def __call__(self, parts: Parts) -> bool:
        return any(map(self.finder, getattr(parts, self.part)))


def _family(name: str, found: _Finder, *parts: tuple[str, str, str]) -> dict[str, tuple[str, Rule]]:
    """The rules of one purpose: for each (end of its name, end of its label, part that it searches)."""
    return {f"{name}_{end}": (f"{name}_{label}", _Search(part, found)) for end, label, part in parts}


_LFI = _finder(
    r"\.\.[/\\]|/etc/(?:passwd|shadow|hosts)\b|/proc/self/|\bfile:///", "..", "/etc/", "/proc/", "file:"
)
_RFI = _finder(r"\b(?:https?|ftps?|file)://(?:\d{1,3}\.){3}\d{1,3}\b", "://")
_SSRF = _finder(
    r"169\.254\.169\.254|169\.254\.170\.2|fd00:ec2::254|/latest/meta-data", "169.", "fd00:", "/latest/"
)
_ENDINGS = ("bak", "bat", "cfg", "cmd", "conf", "config", "dll", "exe", "ini", "log", "old", "sql", "swp")
_EXTENSION = _finder(rf"\.(?:{'|'.join(_ENDINGS)})/?\Z", *(f".{ending}" for ending in _ENDINGS))
_XSS = _Finder(has_script, ("<", "script"))
_BOTS = (
    "acunetix",
    "dirbuster",
    "masscan",
    "nessus",
    "nikto",
    "nmap",
    "openvas",
    "sqlmap",
    "wpscan",
    "zgrab",
)
_BAD_BOT = _finder("|".join(_BOTS), *_BOTS)
_JAVA = _finder(
    r"java\.lang\.(?:runtime|processbuilder)|getruntime\s?\(|class\.module\.classloader|\bro0abx",
    "java.lang.", "getruntime", ".classloader", "ro0abx",
)  # fmt: skip
_LOG4J = _finder(r"\$\{\s?(?:jndi\s?:|(?:lower|upper|env|sys)\s?:[^}]{0,64}\}|::-)", "${")
_REACT = _finder(r"\$\d{1,4}:(?:__proto__|constructor)\b|:__proto__:then\b", "__proto__", ":constructor")
_EXPLOITABLE = _finder(r"/(?:web-inf|meta-inf)(?:/|\Z)", "-inf")

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
                lambda p: any(_BAD_BOT(text.lower()) for text in p.request.header("user-agent")),
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
            **_family("EC2MetaDataSSRF", _SSRF, _BODY, _COOKIE, _PATH, _ARGUMENTS),
            **_family("GenericLFI", _LFI, _ARGUMENTS, _PATH, _BODY),
            **_family("RestrictedExtensions", _EXTENSION, _PATH, _ARGUMENTS),
            **_family("GenericRFI", _RFI, _ARGUMENTS, _BODY, _PATH),
            **_family("CrossSiteScripting", _XSS, _COOKIE, _ARGUMENTS, _BODY, _PATH),
        },
    ),
    BAD_INPUTS: (
        "known-bad-inputs",
        {
            **_family("JavaDeserializationRCE", _JAVA, _HEADER, _BODY, _PATH, _QUERY),
            "Host_localhost_HEADER": ("Host_Localhost_Header", lambda _: False),
            "PROPFIND_METHOD": ("Propfind_Method", lambda p: p.request.method.upper() == "PROPFIND"),
            **_family("ExploitablePaths", _EXPLOITABLE, _PATH),
            **_family("Log4JRCE", _LOG4J, _HEADER, _QUERY, _BODY, _PATH),
            **_family("ReactJSRCE", _REACT, _BODY),
        },
    ),
}  # fmt: skip


#: By group, the parts that its rules search, and everything that makes a closer look worth while.
_LOOKED_AT = {
    group: (
        sorted({search.part for search in found}),
        {one for search in found for one in search.finder.needles},
    )
    for group, (_, rules) in GROUPS.items()
    if (found := [test for _, test in rules.values() if isinstance(test, _Search)])
}


#: By group, the rules that look at something else than texts.
_OTHERS = {
    group: {name: rule for name, rule in rules.items() if not isinstance(rule[1], _Search)}
    for group, (_, rules) in GROUPS.items()
}


def known(statement: dict[str, object]) -> bool:
    """Whether a ManagedRuleGroupStatement names a group that this stands in for."""
    return statement.get("VendorName") == "AWS" and statement.get("Name") in GROUPS


def matches(group: str, parts: Parts) -> list[tuple[str, str]]:
    """Names and labels of the group's rules that match, in AWS's order."""
    word, rules = GROUPS[group]
    searched, needles = _LOOKED_AT[group]
    text = "\n".join([text for part in searched for text in getattr(parts, part)])
    for needle in needles:
        if needle in text:
            break
    else:
        rules = _OTHERS[group]
    return [
        (name, f"awswaf:managed:aws:{word}:{label}") for name, (label, test) in rules.items() if test(parts)
    ]


def unknown_rules(statement: dict[str, object]) -> list[str]:
    """Names in the statement's overrides that the group has no rule of."""
    if not known(statement):
        return []
    _, rules = GROUPS[str(statement["Name"])]
    named = [*(statement.get("RuleActionOverrides") or []), *(statement.get("ExcludedRules") or [])]  # type: ignore[misc]  # lists, or they would have been refused
    return [one["Name"] for one in named if one["Name"] not in rules]
