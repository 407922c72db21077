"""The keys of an environment file: which there are, what each holds, and which must be there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stack.files.mistakes import Mistakes

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

TOP: Mapping[str, type] = {
    "description": str,
    "region": str,
    "stacks": list,
    "role": str,
    "termination_protection": bool,
    "load_rate": int,
    "endpoint": dict,
    "token": dict,
    "container": dict,
    "parameters": dict,
    "tags": dict,
    "drills": dict,
}
TABLES: Mapping[str, Mapping[str, type]] = {
    "endpoint": {"url": str, "start": list, "stop": list, "process_images": bool, "ca": str},
    "token": {"create": list, "list": list, "revoke": list, "environment": dict},
    "container": {"image": str, "environment": dict, "secrets": dict},
    "drills": {"allowed": bool, "zone_outage": list, "store_outage": list},
}
_REQUIRED = {"": ("region", "stacks"), "endpoint": ("url",), "token": ("create",)}
_IN_WORDS = {
    str: "a string",
    list: "a list of strings",
    bool: "true or false",
    int: "a whole number",
    dict: "a table",
}
# Requests a second; no single machine sends more.
MOST_LOAD = 100_000
# Tables whose keys are free, and whose values are all strings.
_OF_STRINGS = ("tags", "token.environment", "container.environment", "container.secrets")
# What each command may ask for, beside {python}.
_COMMAND_WORDS = {
    "endpoint.start": {"url"},
    "endpoint.stop": {"url"},
    "token.create": {"name"},
    "token.list": set(),
    "token.revoke": {"id"},
    "drills.zone_outage": {"url", "zone", "seconds"},
    "drills.store_outage": {"url", "seconds"},
}
_READABLE = (
    r"arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:\d{12}:secret:[^:\s]+(:[^:\s]*){0,3}"
    r"|ssm:[a-z0-9-]+:\d{12}:parameter/\S+)"
)
# Strings of a certain form: pattern, and an example to say.
_FORMS = {
    "endpoint.url": (r"https?://[^/\s]+/?", "http://127.0.0.1:4566"),
    "role": (r"arn:aws[a-z-]*:iam::\d{12}:role/\S+", "arn:aws:iam::123456789012:role/cloudformation"),
    "container.image": (r"[^\s@]+@sha256:[0-9a-f]{64}", "public.ecr.aws/nginx/nginx@sha256:<64 digits>"),
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def check(content: Mapping[str, Any], mistakes: Mistakes) -> None:
    """Note every key that is unknown, missing, or holds what it cannot."""
    _check_table("", content, TOP, mistakes)
    for where, known in TABLES.items():
        if isinstance(content.get(where), dict):
            _check_table(where, content[where], known, mistakes)
    for where in _OF_STRINGS:
        for key, value in _items(content, where):
            if not isinstance(value, str):
                mistakes.add(f"{where}.{key}", f"must be a string, not {value!r}")
    for where, (pattern, example) in _FORMS.items():
        value = _at(content, where)
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            pinned = ", pinned by digest" if where == "container.image" else ""
            mistakes.add(where, f'must be like "{example}"{pinned}, not "{value}"')
    if _is_a(content.get("load_rate"), int) and not 0 <= content["load_rate"] <= MOST_LOAD:
        mistakes.add("load_rate", f"must be 0 to {MOST_LOAD} requests a second")
    _check_container(content, mistakes)


def is_list_of_strings(value: Any) -> bool:
    """Say whether a value is what `a list of strings` means; an empty list is not."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _is_a(value: Any, kind: type) -> bool:
    """Say whether a value is what a key holds; `true` is no number, though Python's bool is one."""
    if kind is list:
        return is_list_of_strings(value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _check_table(where: str, table: Mapping[str, Any], known: Mapping[str, type], mistakes: Mistakes) -> None:
    prefix = f"{where}." if where else ""
    for key, value in table.items():
        if key not in known:
            mistakes.unknown(f"[{where}]" if where else "top level", key, known)
        elif not _is_a(value, known[key]):
            mistakes.add(f"{prefix}{key}", f"must be {_IN_WORDS[known[key]]}, not {value!r}")
        elif known[key] is list:
            _check_words(f"{prefix}{key}", value, mistakes)
    for key in _REQUIRED.get(where, ()):
        if key not in table:
            mistakes.add(f"{prefix}{key}", "is missing")


def _check_words(key: str, command: list[str], mistakes: Mistakes) -> None:
    allowed = sorted({"python"} | _COMMAND_WORDS.get(key, set()))
    for word in (word for part in command for word in PLACEHOLDER.findall(part)):
        if key in _COMMAND_WORDS and word not in allowed:
            mistakes.unknown(key, word, allowed, "placeholder")


def _check_container(content: Mapping[str, Any], mistakes: Mistakes) -> None:
    for where in ("container.environment", "container.secrets"):
        for name, value in _items(content, where):
            if not _VARIABLE.fullmatch(name):
                mistakes.add(f"{where}.{name}", "cannot name a variable: letters, digits and _ . - only")
            if isinstance(value, str) and "\0" in value:
                mistakes.add(f"{where}.{name}", "holds a NUL character, which no variable can")
    given = {name for name, _ in _items(content, "container.environment")}
    for name, value in _items(content, "container.secrets"):
        if name in given:
            mistakes.add(
                f"container.secrets.{name}", "is in container.environment, too; a variable has one value"
            )
        if isinstance(value, str) and not re.fullmatch(_READABLE, value):
            # The value itself is not repeated: it may be the secret, put where its ARN belongs.
            mistakes.add(
                f"container.secrets.{name}",
                "must be the ARN of a Secrets Manager secret or of an SSM parameter, for instance "
                '"arn:aws:secretsmanager:us-east-1:123456789012:secret:database-AbCdEf:password::"',
            )


def _at(content: Mapping[str, Any], where: str) -> Any:
    found: Any = content
    for key in where.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _items(content: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    table = _at(content, where)
    yield from table.items() if isinstance(table, dict) else ()
