"""The values that an environment gives to its stacks' parameters, checked against their templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stack.files.keys import is_list_of_strings
from stack.files.mistakes import Mistakes
from stack.files.parameters import Parameter
from stack.files.processor import of_this_machine
from stack.files.render import Container
from stack.files.templates import Template

IMAGE = "Image"
SECRETS = "SecretArns"
ARCHITECTURE = "Architecture"


def parameters(
    content: Mapping[str, Any], found: Mapping[str, Template], container: Container, mistakes: Mistakes
) -> dict[str, dict[str, str]]:
    """Return the values by stack and name that are known from the file alone; note every mistake.

    What is missing there comes from an earlier stack's output, or is left to the template's default.
    """
    given: Mapping[str, Any] = content.get("parameters", {})
    for stack in given:
        if stack not in found:
            mistakes.unknown("[parameters]", stack, found, "stack")
    if container.image and not any(IMAGE in template.parameters for template in found.values()):
        mistakes.add("container.image", f"no template of {', '.join(found)} has the parameter {IMAGE}")
    values: dict[str, dict[str, str]] = {}
    outputs: set[str] = set()
    for stack, template in found.items():
        table = given.get(stack, {})
        if not isinstance(table, dict):
            mistakes.add(f"parameters.{stack}", f"must be a table, not {table!r}")
            table = {}
        filled = _filled(template, container, local="endpoint" in content)
        own = _own(stack, table, template, container, mistakes)
        values[stack] = {**filled, **own}
        for name, parameter in template.parameters.items():
            supplied = name in table or name in values[stack] or name in outputs or name == IMAGE
            if not supplied and parameter.default is None:
                mistakes.add(
                    f"[parameters.{stack}]",
                    f"{name} has no value: no default in the template, no output {name} of an earlier stack",
                )
        outputs.update(template.outputs)
    return values


def _filled(template: Template, container: Container, *, local: bool) -> dict[str, str]:
    """What the tool fills in: the image that is given, what its secrets are, the processor of a laptop."""
    values: dict[str, str] = {}
    if container.image:
        values[IMAGE] = container.image
    if container.secrets:
        values[SECRETS] = ",".join(container.secret_arns)
    if local and (processor := of_this_machine()):
        # Tasks run on this very machine there, with images made for it.
        values[ARCHITECTURE] = processor
    return {name: value for name, value in values.items() if name in template.parameters}


def _own(
    stack: str, table: Mapping[str, Any], template: Template, container: Container, mistakes: Mistakes
) -> dict[str, str]:
    """Check one table [parameters.<stack>] and return its values as CloudFormation's text."""
    values: dict[str, str] = {}
    where = f"[parameters.{stack}]"
    for name, value in table.items():
        parameter = template.parameters.get(name)
        if parameter is None:
            mistakes.unknown(where, name, (one for one in template.parameters if one != IMAGE), "parameter")
        elif name == IMAGE:
            mistakes.add(
                f"{where} {name}",
                "is filled by the tool, with the digest of the image it pushed; "
                "another image goes into [container] image",
            )
        elif name == SECRETS and container.secrets:
            mistakes.add(f"{where} {name}", "is filled by the tool, from [container] secrets")
        elif why := _kind_refusal(parameter, value):
            mistakes.add(f"{where} {name}", why)
        elif why := parameter.refusal(_text(value)):
            mistakes.add(f"{where} {name}", "is not what the template allows" if parameter.no_echo else why)
        else:
            values[name] = _text(value)
    return values


def _kind_refusal(parameter: Parameter, value: Any) -> str:
    """Say why a TOML value cannot be this parameter's, or return an empty string."""
    if isinstance(value, list):
        if not is_list_of_strings([str(one) if type(one) is int else one for one in value]):
            return f"must be a list of strings or integers, and not an empty one, not {value!r}"
        if not parameter.is_list:
            return f"is a list, but {parameter.name} is one value ({parameter.type})"
        if any("," in str(one) for one in value):
            return f"has a comma within a value; CloudFormation would take {value!r} apart there"
        return ""
    if not isinstance(value, (bool, str, int)):
        return f"must be a string, integer, boolean or list of strings, not {value!r}"
    return ""


def _text(value: Any) -> str:
    """CloudFormation's text for a TOML value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(str(one) for one in value) if isinstance(value, list) else str(value)
