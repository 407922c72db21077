"""A request as a web ACL looks at it: its fields, and what of its body can be seen."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from localcloud.balancer.http import Head

#: What of a body a web ACL sees in front of a load balancer; it cannot be raised there.
BODY_LIMIT = 8192

_JSON_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|(true|false|null|-?\d[\d.eE+-]*)', re.DOTALL)


class DecidedError(Exception):
    """The field is too long or no JSON, and the statement itself says what that means: `matches`."""

    def __init__(self, matches: bool) -> None:
        super().__init__(matches)
        self.matches = matches


@dataclass
class Request:
    """One request. `body` is at most BODY_LIMIT bytes, `oversize` says that there is more."""

    head: Head
    client: str
    body: bytes = b""
    oversize: bool = False
    #: The load balancer, as the web ACL's log names it: account-app/name/id.
    source: str = ""
    #: What rules that matched have left for later ones.
    labels: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.method = self.head.first[0].decode("latin-1")
        self.path, _, self.query = self.head.first[1].decode("latin-1").partition("?")

    def header(self, name: str) -> list[str]:
        """The values of a header, by its name in any case."""
        return [value.decode("latin-1") for value in self.head.values(name.lower().encode())]

    def arguments(self) -> list[tuple[str, str]]:
        """Names and values of the query, as they were sent."""
        return [
            (name, value)
            for part in self.query.split("&")
            if part
            for name, _, value in [part.partition("=")]
        ]

    def cookies(self) -> list[tuple[str, str]]:
        """Names and values of the cookies."""
        pairs = (pair for value in self.header("cookie") for pair in value.split(";"))
        return [
            (name.strip(), value)
            for pair in pairs
            if pair.strip()
            for name, _, value in [pair.partition("=")]
        ]

    def texts(self, field_to_match: dict[str, Any]) -> list[str] | None:
        """The values of a `FieldToMatch`, None for a kind that is not to be had here. Raises DecidedError."""
        ((kind, of),) = field_to_match.items()
        if kind == "SingleHeader":
            return self.header(of["Name"])
        if kind == "SingleQueryArgument":
            return [value for name, value in self.arguments() if name.lower() == of["Name"].lower()]
        if kind in ("Body", "JsonBody"):
            if self.oversize and of.get("OversizeHandling") in ("MATCH", "NO_MATCH"):
                raise DecidedError(of["OversizeHandling"] == "MATCH")
            text = self.body.decode("latin-1")
            return [text] if kind == "Body" else _json_texts(text, of)
        if kind in ("Headers", "Cookies"):
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.head.headers]
            return _chosen(headers if kind == "Headers" else self.cookies(), of)
        simple = {
            "UriPath": lambda: [self.path],
            "QueryString": lambda: [self.query],
            "Method": lambda: [self.method],
            "AllQueryArguments": lambda: [text for pair in self.arguments() for text in pair],
        }
        return simple[kind]() if kind in simple else None


def _chosen(pairs: list[tuple[str, str]], of: dict[str, Any]) -> list[str]:
    """Names, values or both of the pairs that the pattern names."""
    ((how, names),) = of["MatchPattern"].items()
    wanted = {str(name).lower() for name in names} if how != "All" else set()
    included = how.startswith("Included")
    pairs = [pair for pair in pairs if how == "All" or (pair[0].lower() in wanted) == included]
    scope = of["MatchScope"]
    found = [name for name, _ in pairs] if scope in ("ALL", "KEY") else []
    return found + ([value for _, value in pairs] if scope in ("ALL", "VALUE") else [])


def _json_texts(text: str, of: dict[str, Any]) -> list[str] | None:
    """Keys, values or both of a JSON body, as they are written there."""
    if "All" not in of["MatchPattern"]:
        return None
    if not text:
        return []
    try:
        json.loads(text)
    except (ValueError, RecursionError) as exc:
        fallback = of.get("InvalidFallbackBehavior")
        if fallback == "EVALUATE_AS_STRING":
            return [text]
        if fallback in ("MATCH", "NO_MATCH"):
            raise DecidedError(fallback == "MATCH") from exc
        text = text[: getattr(exc, "pos", 0)]
    scope, found = of["MatchScope"], []
    for token in _JSON_TOKEN.finditer(text):
        string, is_key, bare = token.groups()
        if scope == "ALL" or (scope == "KEY") == (is_key is not None):
            found.append(bare if string is None else string)
    return found
