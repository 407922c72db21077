"""A template as one environment gets it: parameters and conditions put in, what does not apply gone. Pure.

What only CloudFormation can know (the ids and attributes of its resources) stays as the reference it is, so
that policy checks can follow it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from stack.errors import ToolError, usage

# Sections that exist only to be resolved.
_CONSUMED = ("Parameters", "Conditions", "Mappings", "Rules", "Metadata")
_VARIABLE = re.compile(r"\$\{([^{}]+)\}")
_ABSENT = object()


def resolve(
    template: Mapping[str, Any], values: Mapping[str, Any], where: str = "template"
) -> dict[str, Any]:
    """Return `template` without parameters, conditions, rules and mappings.

    `template` is a parsed template with long-form functions (stack.templates.parse); `values` holds a value
    for each parameter and pseudo parameter (a string, number, boolean or list of strings; see `typed`).
    Resources and outputs whose condition is false are gone, so are AWS::NoValue and what had it. `where`
    names the template in errors. Raises a ToolError when a value is missing, or when something that stays
    refers to a resource that is gone.
    """
    resolver = _Resolver(template, values, where)
    kept = {key: value for key, value in template.items() if key not in _CONSUMED}
    for section in ("Resources", "Outputs"):
        if section in template:
            kept[section] = {
                name: resolver.resolved(
                    {key: value for key, value in item.items() if key != "Condition"}, f"{section}.{name}"
                )
                for name, item in template[section].items()
                if resolver.applies(item)
            }
    _drop_dependencies(kept.get("Resources", {}), set(template.get("Resources", {})))
    _check_references(kept, where)
    return kept


def typed(declared: Mapping[str, Any], text: str) -> Any:
    """Return a parameter's value as its declaration means it: a number, a boolean, a list, else the text."""
    kind = str(declared.get("Type", "String"))
    if kind == "Number":
        return float(text) if "." in text else int(text)
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return [item.strip() for item in text.split(",")] if text else []
    allowed = {str(value).lower() for value in declared.get("AllowedValues", ())}
    if allowed and allowed <= {"true", "false"}:
        return text.lower() == "true"
    return text


def as_text(value: Any) -> str:
    """Return a value as CloudFormation writes it into text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(as_text(item) for item in value)
    return str(value)


def variables(text: str) -> list[str]:
    """Names that Fn::Sub would put into `text`, without its literals (${!...})."""
    return [name for name in _VARIABLE.findall(text) if not name.startswith("!")]


def references(value: Any) -> set[str]:
    """Names that `value` refers to by Ref, Fn::GetAtt or Fn::Sub: resources, and parameters if any."""
    found: set[str] = set()
    if isinstance(value, list):
        return found.union(*(references(item) for item in value))
    if not isinstance(value, dict):
        return found
    for key, item in value.items():
        if key == "Ref":
            found.add(str(item))
        elif key == "Fn::GetAtt":
            found.add(str(item[0] if isinstance(item, list) else item).split(".", 1)[0])
        elif key == "Fn::Sub":
            text, given = (item[0], item[1]) if isinstance(item, list) else (item, {})
            names = {name.split(".", 1)[0] for name in variables(text)}
            found |= (names - set(given)) | references(given)
        else:
            found |= references(item)
    return found


class _Resolver:
    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any], where: str) -> None:
        self.conditions: Mapping[str, Any] = template.get("Conditions", {})
        self.mappings: Mapping[str, Any] = template.get("Mappings", {})
        self.resources: Mapping[str, Any] = template.get("Resources", {})
        self.values = values
        self.where = where
        self.functions: dict[str, Callable[[Any, str], Any]] = {
            "Ref": self._ref,
            "Fn::If": self._if,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAZs": self._zones,
            "Fn::Cidr": self._cidr,
        }
        missing = sorted(set(template.get("Parameters", {})) - set(values))
        if missing:
            raise usage(f"{where}: no value for {', '.join(missing)}")

    def applies(self, item: Mapping[str, Any]) -> bool:
        return "Condition" not in item or self._holds(item["Condition"], "Condition")

    def resolved(self, value: Any, path: str) -> Any:
        """Return `value` with everything that is known put in; _ABSENT for AWS::NoValue."""
        if isinstance(value, list):
            items = (self.resolved(item, f"{path}.{number}") for number, item in enumerate(value))
            return [item for item in items if item is not _ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in self.functions:
                return self.functions[name](argument, path)
        # {Key, Value} and {Name, Value} are pairs of texts in every schema: tags, attributes, variables.
        pair = set(value) in ({"Key", "Value"}, {"Name", "Value"})
        found = {key: self.resolved(item, f"{path}.{key}") for key, item in value.items()}
        return {
            key: as_text(item) if pair and isinstance(item, (bool, int, float)) else item
            for key, item in found.items()
            if item is not _ABSENT
        }

    def _error(self, path: str, what: str) -> ToolError:
        return usage(f"{self.where}: {path}: {what}")

    def _holds(self, condition: Any, path: str) -> bool:
        if isinstance(condition, str):
            if condition not in self.conditions:
                raise self._error(path, f'there is no condition "{condition}"')
            return self._holds(self.conditions[condition], f"Conditions.{condition}")
        name, argument = next(iter(condition.items()))
        if name == "Condition":
            return self._holds(argument, path)
        if name == "Fn::Not":
            return not self._holds(argument[0], path)
        if name == "Fn::And":
            return all(self._holds(item, path) for item in argument)
        if name == "Fn::Or":
            return any(self._holds(item, path) for item in argument)
        if name == "Fn::Equals":
            left, right = (as_text(self.resolved(item, path)) for item in argument)
            return left == right
        raise self._error(path, f"{name} is no condition function")

    def _ref(self, name: str, path: str) -> Any:
        if name == "AWS::NoValue":
            return _ABSENT
        if name in self.values:
            return self.values[name]
        if name in self.resources:
            return {"Ref": name}
        raise self._error(path, f'there is no "{name}"')

    def _if(self, argument: list[Any], path: str) -> Any:
        condition, then, otherwise = argument
        return self.resolved(then if self._holds(condition, path) else otherwise, path)

    def _sub(self, argument: Any, path: str) -> Any:
        text, given = argument if isinstance(argument, list) else (argument, {})
        known = {key: self.resolved(item, path) for key, item in given.items()}
        left: dict[str, Any] = {}

        def put_in(found: re.Match[str]) -> str:
            name = found[1]
            value = known.get(name, self.values.get(name, _ABSENT))
            if isinstance(value, (str, bool, int, float, list)):
                return as_text(value)
            if value is not _ABSENT:
                left[name] = value
            return found[0]

        filled = _VARIABLE.sub(put_in, text)
        if not variables(filled):
            return filled.replace("${!", "${")
        return {"Fn::Sub": [filled, left] if left else filled}

    def _join(self, argument: list[Any], path: str) -> Any:
        separator, items = argument[0], self.resolved(argument[1], path)
        if isinstance(items, list) and all(isinstance(item, (str, int, float, bool)) for item in items):
            return separator.join(as_text(item) for item in items)
        return {"Fn::Join": [separator, items]}

    def _select(self, argument: list[Any], path: str) -> Any:
        index, items = int(self.resolved(argument[0], path)), self.resolved(argument[1], path)
        if not isinstance(items, list):
            return {"Fn::Select": [index, items]}
        if index >= len(items):
            raise self._error(path, f"item {index} of a list of {len(items)}")
        return items[index]

    def _split(self, argument: list[Any], path: str) -> Any:
        text = self.resolved(argument[1], path)
        return text.split(argument[0]) if isinstance(text, str) else {"Fn::Split": [argument[0], text]}

    def _find_in_map(self, argument: list[Any], path: str) -> Any:
        found: Any = self.mappings
        for key in (as_text(self.resolved(item, path)) for item in argument[:3]):
            if key not in found:
                raise self._error(path, f'no "{key}" in the mappings')
            found = found[key]
        return found

    def _zones(self, argument: Any, path: str) -> list[str]:
        region = self.resolved(argument, path) or self.values["AWS::Region"]
        return [f"{region}{letter}" for letter in "abc"]

    def _cidr(self, argument: list[Any], path: str) -> Any:
        block, count, *bits = (self._block(self.resolved(item, path), path) for item in argument)
        if not isinstance(block, str):
            return {"Fn::Cidr": [block, count, *bits]}
        network = ipaddress.ip_network(block)
        host_bits = int(bits[0]) if bits else 8
        subnets = network.subnets(new_prefix=network.max_prefixlen - host_bits)
        return [str(subnet) for subnet, _ in zip(subnets, range(int(count)), strict=False)]

    def _block(self, value: Any, path: str) -> Any:
        """The CidrBlock attribute of a network is the property of that name."""
        if isinstance(value, dict) and isinstance(attribute := value.get("Fn::GetAtt"), list):
            properties = self.resources.get(attribute[0], {}).get("Properties", {})
            if attribute[1] == "CidrBlock" and "CidrBlock" in properties:
                return self.resolved(properties["CidrBlock"], path)
        return value


def _drop_dependencies(resources: dict[str, Any], all_names: set[str]) -> None:
    """Take resources that are gone out of DependsOn, as CloudFormation does."""
    for item in resources.values():
        if "DependsOn" in item:
            names = item["DependsOn"] if isinstance(item["DependsOn"], list) else [item["DependsOn"]]
            item["DependsOn"] = [name for name in names if name in resources or name not in all_names]
            if not item["DependsOn"]:
                del item["DependsOn"]


def _check_references(template: Mapping[str, Any], where: str) -> None:
    there = set(template.get("Resources", {}))
    for section in ("Resources", "Outputs"):
        for name, item in template.get(section, {}).items():
            depends = item.get("DependsOn", [])
            gone = (references(item) | set([depends] if isinstance(depends, str) else depends)) - there
            if gone:
                raise usage(
                    f"{where}: {section}.{name} refers to {', '.join(sorted(gone))}, which is not there",
                    "Give both the same condition, or choose by Fn::If: this environment has only one.",
                )
