"""An environment file, read strictly: every mistake in it is named, with its key and what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stack.errors import ToolError, nearest, usage
from stack.files import given, keys, render, templates
from stack.files.keys import PLACEHOLDER
from stack.files.mistakes import Mistakes
from stack.files.render import Container
from stack.files.templates import Template

PROJECT = "echo-room"
IMAGE_PARAMETER = given.IMAGE
NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


@dataclass(frozen=True)
class Endpoint:
    """Where the API is, when it is not AWS itself, and how it is started and stopped.

    `ca` is the file of the authority that signs what is served there over HTTPS.
    """

    url: str
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    process_images: bool = False
    ca: Path | None = None


@dataclass(frozen=True)
class TokenCommands:
    """How API tokens are made, listed and revoked. `environment` values may hold {stack.Output}."""

    create: tuple[str, ...]
    listing: tuple[str, ...]
    revoke: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Drills:
    """Whether drills may break the environment, and by which `commands` (by key) what only it can."""

    allowed: bool = False
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Environment:
    """A checked environment file with the templates it deploys, in deployment order.

    `role` is the ARN that CloudFormation acts with ("" for the caller's own); `termination_protection` is
    None where the file leaves it alone. `load_rate`: requests a second that `make load` may send; 0: none.
    """

    name: str
    root: Path
    file: Path
    description: str
    region: str
    stacks: tuple[str, ...]
    templates: Mapping[str, Template]
    parameters: Mapping[str, Mapping[str, str]]
    tags: Mapping[str, str]
    container: Container
    endpoint: Endpoint | None = None
    token: TokenCommands | None = None
    role: str = ""
    termination_protection: bool | None = None
    drills: Drills = field(default_factory=Drills)
    load_rate: int = 0

    def stack_name(self, stack: str) -> str:
        """Return CloudFormation's name of the stack made from `stack`.yaml."""
        return f"{PROJECT}-{self.name}-{stack}"

    def region_of(self, stack: str) -> str:
        """Return the region of one stack, by its short name or CloudFormation's.

        It is the environment's, unless the template has to be elsewhere.
        """
        found = self.templates.get(stack.removeprefix(self.stack_name("")))
        return (found and found.region) or self.region

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that hold its stacks, its own first."""
        return tuple(dict.fromkeys([self.region, *map(self.region_of, self.stacks)]))

    def builds_for(self, stack: str) -> bool:
        """Say whether a stack needs the image of the working tree."""
        return (
            IMAGE_PARAMETER in self.templates[stack].parameters
            and IMAGE_PARAMETER not in self.parameters[stack]
        )

    @property
    def has_url(self) -> bool:
        """Whether one of the stacks is a service that can be called."""
        return any("Url" in template.outputs for template in self.templates.values())

    @property
    def state(self) -> Path:
        """The folder where the tool keeps what it learnt about this environment."""
        return self.root / ".state" / self.name


def available(root: Path) -> list[str]:
    """Names of the environments that have a file."""
    return sorted(file.stem for file in (root / "cloudformation" / "environments").glob("*.toml"))


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
    mistakes = Mistakes(file)
    keys.check(content, mistakes)
    mistakes.check()
    container = Container(**content.get("container", {}))
    found = _load_templates(root, content["stacks"], container, mistakes)
    mistakes.check()
    parameters = given.parameters(content, found, container, mistakes)
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
        container=container,
        endpoint=endpoint and _endpoint(root, endpoint),
        token=token
        and TokenCommands(
            tuple(token["create"]),
            tuple(token.get("list", ())),
            tuple(token.get("revoke", ())),
            token.get("environment", {}),
        ),
        role=content.get("role", ""),
        termination_protection=content.get("termination_protection"),
        drills=_drills(content.get("drills", {})),
        load_rate=content.get("load_rate", 0),
    )


def _endpoint(root: Path, table: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        table["url"].rstrip("/"),
        tuple(table.get("start", ())),
        tuple(table.get("stop", ())),
        table.get("process_images", False),
        root / table["ca"] if "ca" in table else None,
    )


def _drills(table: Mapping[str, Any]) -> Drills:
    commands = {key: tuple(value) for key, value in table.items() if key != "allowed"}
    return Drills(table.get("allowed", False), commands)


def _load_templates(
    root: Path, stacks: list[str], container: Container, mistakes: Mistakes
) -> dict[str, Template]:
    known = sorted(file.stem for file in (root / "cloudformation").glob("*.yaml"))
    found: dict[str, Template] = {}
    marked: set[str] = set()
    for stack in stacks:
        if stack not in known:
            mistakes.unknown("stacks", stack, known, "stack")
        elif stack in found:
            mistakes.add("stacks", f'names "{stack}" twice')
        else:
            file = root / "cloudformation" / f"{stack}.yaml"
            try:
                body = templates.read(file)
                marked |= render.markers(body)
                _check_free(body, container, file, mistakes)
                found[stack] = templates.make(stack, file, render.rendered(body, container))
            except ToolError as problem:
                mistakes.add("stacks", problem.message)
    for table, entries in container.tables.items():
        if entries and table not in marked:
            mistakes.add(
                f"container.{table}",
                f"no template of {', '.join(stacks)} has the line `# [container] {table}`",
            )
    return found


def _check_free(body: str, container: Container, file: Path, mistakes: Mistakes) -> None:
    """Note every variable of [container] that the template sets itself."""
    if not render.markers(body):
        return
    try:
        taken = render.set_by_template(templates.parse(body))
    except yaml.YAMLError:
        return  # said with its line when the template is made
    for table, entries in container.tables.items():
        for name in sorted(taken & entries.keys()):
            mistakes.add(f"container.{table}.{name}", f"{file.name} sets {name} already")


def _check_token_outputs(
    values: Mapping[str, str], found: Mapping[str, Template], mistakes: Mistakes
) -> None:
    for key, value in values.items():
        for word in PLACEHOLDER.findall(value):
            stack, _, output = word.partition(".")
            if stack not in found:
                mistakes.unknown(f"token.environment.{key}", stack, list(found), "stack")
            elif output not in found[stack].outputs:
                mistakes.unknown(f"token.environment.{key}", output, list(found[stack].outputs), "output")
