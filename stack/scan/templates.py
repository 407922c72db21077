"""The templates of an environment as its parameters make them: resolved, stack by stack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stack.errors import usage
from stack.files import rules
from stack.files.environment import IMAGE_PARAMETER, Environment
from stack.files.templates import Template
from stack.scan import standins
from stack.scan.resolve import as_text, resolve, typed, variables

# What an environment file may leave to its owner, and a template's Rules refuse until it is there: the
# templates are resolved with examples then.
_EXAMPLES = {
    "DomainName": "echo.example.org",
    "HostedZoneId": "Z0123456789EXAMPLE",
    "Repository": "example/echo-room",
}


@dataclass(frozen=True)
class Resolved:
    """One stack of one environment: its template without parameters and conditions, and the values put in.

    `lines` gives the line of each resource in `file`, counted from 1.
    """

    environment: str
    stack: str
    file: Path
    template: Mapping[str, Any]
    values: Mapping[str, Any]
    lines: Mapping[str, int]

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """The resources that this environment has."""
        found: Mapping[str, Mapping[str, Any]] = self.template["Resources"]
        return found

    def of_type(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Properties of the resources of one type, by logical id."""
        return {
            name: item.get("Properties", {}) for name, item in self.resources.items() if item["Type"] == kind
        }

    def where(self, logical_id: str) -> str:
        """Return "cloudformation/x.yaml:12 LogicalId"."""
        return f"{self.file}:{self.lines.get(logical_id, 1)} {logical_id}"


def resolved(environment: Environment) -> dict[str, Resolved]:
    """Resolve every template of an environment, in the order of deployment.

    Parameters get what the environment file says, else the output of that name of an earlier stack (with
    stand-ins for what only AWS can give), else the default. Raises a ToolError for a value that is missing.
    """
    outputs: dict[str, str] = {}
    found: dict[str, Resolved] = {}
    for stack in environment.stacks:
        template = environment.templates[stack]
        texts = _texts(environment, template, outputs)
        found[stack] = resolved_with(environment, stack, template.document, texts, _lines(template.body))
        outputs |= _outputs(
            found[stack].template, environment.region_of(stack), environment.stack_name(stack)
        )
    return found


def resolved_with(
    environment: Environment,
    stack: str,
    document: Mapping[str, Any],
    texts: Mapping[str, str],
    lines: Mapping[str, int],
) -> Resolved:
    """Resolve one template of an environment with the values of its parameters as CloudFormation has them.

    Parameters that `texts` leaves out get their default. Raises a ToolError for a value that is missing.
    """
    values: dict[str, Any] = standins.pseudo_parameters(
        environment.region_of(stack), environment.stack_name(stack)
    )
    for name, declared in document.get("Parameters", {}).items():
        text = texts[name] if name in texts else declared.get("Default")
        if text is not None:
            values[name] = typed(declared, as_text(text))
    file = environment.templates[stack].file.relative_to(environment.root)
    plain = resolve(document, values, str(file))
    return Resolved(environment.name, stack, file, plain, values, lines)


def _texts(environment: Environment, template: Template, outputs: Mapping[str, str]) -> dict[str, str]:
    """Values of a template's parameters as text, such that its Rules hold."""
    given = environment.parameters.get(template.stack, {})
    values = {}
    for name, parameter in template.parameters.items():
        text = given.get(name, outputs.get(name, parameter.default))
        if name == IMAGE_PARAMETER and name not in given:
            text = standins.image(environment.region)
        if text is not None:
            values[name] = text
    if rules.broken(template, values, environment.region_of(template.stack)):
        values |= {name: text for name, text in _EXAMPLES.items() if name in values}
    for broken in rules.broken(template, values, environment.region_of(template.stack)):
        raise usage(f"{environment.file}: {broken.about}: {broken.description}")
    return values


def write(found: Mapping[str, Resolved], folder: Path) -> dict[str, Path]:
    """Write each template as JSON into `folder`, without Metadata. Returns the files by stack.

    Suppressions must not reach the tools: they are applied to what the tools find.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for stack, item in found.items():
        files[stack] = folder / f"{stack}.json"
        bare = {
            name: {key: value for key, value in resource.items() if key != "Metadata"}
            for name, resource in item.resources.items()
        }
        files[stack].write_text(json.dumps({**item.template, "Resources": bare}, indent=1), encoding="utf-8")
    return files


def _outputs(template: Mapping[str, Any], region: str, stack_name: str) -> dict[str, str]:
    """Values of a resolved template's outputs, with stand-ins for what they refer to."""
    resources = template["Resources"]
    known = {
        **standins.pseudo_parameters(region, stack_name),
        **standins.references(resources, region, stack_name),
    }
    filled = _attributes_filled(template.get("Outputs", {}), resources, region, stack_name)
    plain = resolve({"Outputs": filled}, known, stack_name)
    return {name: as_text(output["Value"]) for name, output in plain.get("Outputs", {}).items()}


def _attributes_filled(value: Any, resources: Mapping[str, Any], region: str, stack_name: str) -> Any:
    def fill(name: str, attribute: str) -> str:
        return standins.attribute(resources[name], name, attribute, region, stack_name)

    if isinstance(value, list):
        return [_attributes_filled(item, resources, region, stack_name) for item in value]
    if not isinstance(value, dict):
        return value
    if "Fn::GetAtt" in value:
        return fill(*value["Fn::GetAtt"])
    if "Fn::Sub" in value:
        text, given = value["Fn::Sub"] if isinstance(value["Fn::Sub"], list) else (value["Fn::Sub"], {})
        attributes = {
            name: fill(*name.split(".", 1)) for name in variables(text) if "." in name and name not in given
        }
        return {"Fn::Sub": [text, {**given, **attributes}]}
    return {key: _attributes_filled(item, resources, region, stack_name) for key, item in value.items()}


def _lines(body: str) -> dict[str, int]:
    """Return the line of each resource, counted from 1."""
    root = yaml.compose(body, Loader=yaml.SafeLoader)
    sections = {key.value: value for key, value in root.value} if isinstance(root, yaml.MappingNode) else {}
    resources = sections.get("Resources")
    if not isinstance(resources, yaml.MappingNode):
        return {}
    return {key.value: key.start_mark.line + 1 for key, _ in resources.value}
