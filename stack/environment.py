"""An environment file, read strictly: every mistake in it is named, with its key and what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack import templates
from stack.errors import ToolError, nearest, usage
from stack.templates import Template

PROJECT = "echo-room"
IMAGE_PARAMETER = "Image"
NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

_TOP: Mapping[str, type] = {
    "description": str,
    "region": str,
    "stacks": list,
    "endpoint": dict,
    "token": dict,
    "parameters": dict,
    "tags": dict,
}
_TABLES: Mapping[str, Mapping[str, type]] = {
    "endpoint": {"url": str, "start": list, "stop": list, "process_images": bool},
    "token": {"create": list, "revoke": list, "environment": dict},
}
_REQUIRED = {"": ("region", "stacks"), "endpoint": ("url",), "token": ("create",)}
_IN_WORDS = {str: "a string", list: "a list of strings", bool: "true or false", dict: "a table"}
# What each command may ask for, beside {python}.
_COMMAND_WORDS = {
    "endpoint.start": {"url"},
    "endpoint.stop": {"url"},
    "token.create": {"name"},
    "token.revoke": {"id"},
}


@dataclass(frozen=True)
class Endpoint:
    """Where the API is, when it is not AWS itself, and how it is started and stopped."""

    url: str
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    process_images: bool = False


@dataclass(frozen=True)
class TokenCommands:
    """How API tokens are made and revoked. `environment` values may hold {stack.Output}."""

    create: tuple[str, ...]
    revoke: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Environment:
    """A checked environment file with the templates it deploys, in deployment order."""

    name: str
    root: Path
    file: Path
    description: str
    region: str
    stacks: tuple[str, ...]
    templates: Mapping[str, Template]
    parameters: Mapping[str, Mapping[str, str]]
    tags: Mapping[str, str]
    endpoint: Endpoint | None = None
    token: TokenCommands | None = None

    def stack_name(self, stack: str) -> str:
        """Return CloudFormation's name of the stack made from `stack`.yaml."""
        return f"{PROJECT}-{self.name}-{stack}"

    @property
    def state(self) -> Path:
        """The folder where the tool keeps what it learnt about this environment."""
        return self.root / ".state" / self.name


def available(root: Path) -> list[str]:
    """Names of the environments that have a file."""
    return sorted(file.stem for file in (root / "cloudformation" / "environments").glob("*.toml"))


class _Mistakes:
    """Collects everything that is wrong with one file, to say it at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: list[str] = []

    def add(self, key: str, what: str) -> None:
        self.lines.append(f"{key}: {what}")

    def unknown(self, key: str, word: str, allowed: list[str], noun: str = "key") -> None:
        listed = ", ".join(allowed) or "none"
        self.add(key, f'unknown {noun} "{word}"{nearest(word, allowed)}; allowed: {listed}')

    def check(self) -> None:
        if self.lines:
            found = "\n".join(f"  {line}" for line in self.lines)
            raise usage(f"{self.file} is not right:\n{found}", "Correct the file; nothing was changed.")


def load(root: Path, name: str) -> Environment:
    """Read and check `cloudformation/environments/<name>.toml` and the templates it names.

    Raises a usage ToolError that lists every mistake with its key, what is allowed and the nearest match.
    """
    names = available(root)
    if name not in names or not NAME.fullmatch(name):
        listed = ", ".join(names) or "none"
        raise usage(
            f'There is no environment "{name}"{nearest(name, names)}. There are: {listed}.',
            "Give one of them with ENV=, or add a file to cloudformation/environments/.",
        )
    file = (root / "cloudformation" / "environments" / f"{name}.toml").relative_to(root)
    try:
        content = tomllib.loads((root / file).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise usage(f"{file}: is not TOML: {error}") from error
    mistakes = _Mistakes(file)
    _check_shape(content, mistakes)
    mistakes.check()
    found = _load_templates(root, content["stacks"], mistakes)
    mistakes.check()
    parameters = _parameters(content, found, mistakes)
    token = content.get("token")
    if token:
        _check_token_outputs(token.get("environment", {}), found, mistakes)
    mistakes.check()
    endpoint = content.get("endpoint")
    return Environment(
        name=name,
        root=root,
        file=file,
        description=content.get("description", ""),
        region=content["region"],
        stacks=tuple(content["stacks"]),
        templates=found,
        parameters=parameters,
        tags=content.get("tags", {}),
        endpoint=endpoint
        and Endpoint(
            endpoint["url"].rstrip("/"),
            tuple(endpoint.get("start", ())),
            tuple(endpoint.get("stop", ())),
            endpoint.get("process_images", False),
        ),
        token=token
        and TokenCommands(
            tuple(token["create"]), tuple(token.get("revoke", ())), token.get("environment", {})
        ),
    )


def _is(value: Any, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind)


def _check_table(
    where: str, table: Mapping[str, Any], known: Mapping[str, type], mistakes: _Mistakes
) -> None:
    prefix = f"{where}." if where else ""
    for key, value in table.items():
        if key not in known:
            mistakes.unknown(f"[{where}]" if where else "top level", key, list(known))
        elif not _is(value, known[key]):
            mistakes.add(f"{prefix}{key}", f"must be {_IN_WORDS[known[key]]}, not {value!r}")
        elif known[key] is list:
            _check_words(f"{prefix}{key}", value, mistakes)
    for key in _REQUIRED.get(where, ()):
        if key not in table:
            mistakes.add(f"{prefix}{key}", "is missing")


def _check_words(key: str, command: list[str], mistakes: _Mistakes) -> None:
    allowed = sorted({"python"} | _COMMAND_WORDS.get(key, set()))
    for word in (word for part in command for word in _PLACEHOLDER.findall(part)):
        if key in _COMMAND_WORDS and word not in allowed:
            mistakes.unknown(key, word, allowed, "placeholder")


def _check_shape(content: Mapping[str, Any], mistakes: _Mistakes) -> None:
    _check_table("", content, _TOP, mistakes)
    for where, known in _TABLES.items():
        if isinstance(content.get(where), dict):
            _check_table(where, content[where], known, mistakes)
    endpoint = content.get("endpoint")
    url = endpoint.get("url") if isinstance(endpoint, dict) else None
    if isinstance(url, str) and not re.fullmatch(r"https?://[^/\s]+/?", url):
        mistakes.add("endpoint.url", f'must be like "http://127.0.0.1:4566", not "{url}"')
    for where in ("tags", "token.environment"):
        table: Any = content
        for key in where.split("."):
            table = table.get(key) if isinstance(table, dict) else None
        for key, value in (table or {}).items() if isinstance(table, dict) else ():
            if not isinstance(value, str):
                mistakes.add(f"{where}.{key}", f"must be a string, not {value!r}")


def _load_templates(root: Path, stacks: list[str], mistakes: _Mistakes) -> dict[str, Template]:
    known = sorted(file.stem for file in (root / "cloudformation").glob("*.yaml"))
    found: dict[str, Template] = {}
    for stack in stacks:
        if stack not in known:
            mistakes.unknown("stacks", stack, known, "stack")
        elif stack in found:
            mistakes.add("stacks", f'names "{stack}" twice')
        else:
            try:
                found[stack] = templates.load(stack, root / "cloudformation" / f"{stack}.yaml")
            except ToolError as problem:
                mistakes.add("stacks", problem.message)
    return found


def _parameters(
    content: Mapping[str, Any], found: Mapping[str, Template], mistakes: _Mistakes
) -> dict[str, dict[str, str]]:
    """Check [parameters.<stack>] against the templates, and that nothing is left without a value."""
    given: Mapping[str, Any] = content.get("parameters", {})
    for stack in given:
        if stack not in found:
            mistakes.unknown("[parameters]", stack, list(found), "stack")
    values: dict[str, dict[str, str]] = {}
    outputs: set[str] = set()
    for stack, template in found.items():
        table = given.get(stack, {})
        values[stack] = _stack_parameters(stack, table, template, mistakes) if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            mistakes.add(f"parameters.{stack}", f"must be a table, not {table!r}")
        for name, parameter in template.parameters.items():
            supplied = name in table or name in outputs or name == IMAGE_PARAMETER
            if not supplied and parameter.default is None:
                mistakes.add(
                    f"[parameters.{stack}]",
                    f"{name} has no value: no default in the template, no output {name} of an earlier stack",
                )
        outputs.update(template.outputs)
    return values


def _stack_parameters(
    stack: str, table: Mapping[str, Any], template: Template, mistakes: _Mistakes
) -> dict[str, str]:
    values: dict[str, str] = {}
    settable = [name for name in template.parameters if name != IMAGE_PARAMETER]
    for name, value in table.items():
        where = f"[parameters.{stack}]"
        text = _value(value)
        if name == IMAGE_PARAMETER and name in template.parameters:
            mistakes.add(f"{where} {name}", "is filled by the tool, with the digest of the image it pushed")
        elif name not in template.parameters:
            mistakes.unknown(where, name, settable, "parameter")
        elif text is None:
            mistakes.add(
                f"{where} {name}", f"must be a string, integer, boolean or list of strings, not {value!r}"
            )
        elif why := template.parameters[name].refusal(text):
            mistakes.add(f"{where} {name}", why)
        else:
            values[name] = text
    return values


def _value(value: Any) -> str | None:
    """CloudFormation's text for a TOML value, None for a kind it cannot have."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    if _is(value, list):
        return ",".join(value)
    return None


def _check_token_outputs(
    values: Mapping[str, str], found: Mapping[str, Template], mistakes: _Mistakes
) -> None:
    for key, value in values.items():
        for word in _PLACEHOLDER.findall(value):
            stack, _, output = word.partition(".")
            if stack not in found:
                mistakes.unknown(f"token.environment.{key}", stack, list(found), "stack")
            elif output not in found[stack].outputs:
                mistakes.unknown(f"token.environment.{key}", output, list(found[stack].outputs), "output")
