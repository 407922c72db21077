"""A template's Rules, evaluated here: what CloudFormation would refuse is refused before anything is made.

Three truths: what depends on a value that is not known yet (an output of a stack to come), or that only an
account can tell, is neither true nor false, and an assertion that ends so is left to CloudFormation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stack.errors import usage
from stack.files.parameters import HIDDEN, Parameter, text
from stack.files.templates import Template

# Functions of Rules that ask the account: what subnets there are, which VPC one is in.
_OF_THE_ACCOUNT = {"Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"}


class _Unknown:
    """The value of what is not known yet."""


_UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Broken:
    """An assertion that does not hold: `about` is "Name=value, ..." as it names them, then its own words."""

    rule: str
    about: str
    description: str


def broken(template: Template, known: Mapping[str, str], region: str) -> list[Broken]:
    """Find the assertions of a template's Rules that do not hold with the `known` values.

    Raises a usage ToolError when the Rules are none.
    """
    look = _Evaluation(template.parameters, {**known, "AWS::Region": region})
    found: list[Broken] = []
    for name, rule in (template.document.get("Rules") or {}).items():
        try:
            condition = rule.get("RuleCondition")
            if condition is not None and look.truth(condition) is not True:
                continue
            for assertion in rule["Assertions"]:
                if look.truth(assertion["Assert"]) is False:
                    about = dict.fromkeys([*_references(condition), *_references(assertion["Assert"])])
                    shown = ", ".join(
                        f"{one}={HIDDEN if template.parameters[one].no_echo else known.get(one, '')}"
                        for one in about
                        if one in template.parameters
                    )
                    said = str(assertion.get("AssertDescription", f"the rule {name} does not hold"))
                    found.append(Broken(name, shown, said))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise usage(f"{template.file}: the rule {name} cannot be evaluated: {error!r}") from error
    return found


class _Evaluation:
    """Evaluates the rule-specific functions that AWS documents. Raises ValueError for anything else."""

    def __init__(self, declared: Mapping[str, Parameter], known: Mapping[str, str]) -> None:
        self._declared = declared
        self._known = known

    def truth(self, expression: Any) -> bool | _Unknown:
        """Evaluate a function that says yes or no."""
        name, given = _function(expression)
        if name == "Fn::Not":
            (inner,) = given
            found = self.truth(inner)
            return found if isinstance(found, _Unknown) else not found
        if name in ("Fn::And", "Fn::Or"):
            return _joined([self.truth(one) for one in given], decides=name == "Fn::Or")
        if name not in ("Fn::Equals", "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn"):
            raise ValueError(f"Rules know no function {name}")
        left, right = (self._value(one) for one in given)
        if name == "Fn::Equals":
            return _UNKNOWN if _holds_unknown(left, right) else left == right
        if name == "Fn::Contains":
            return _joined([_same(one, right) for one in _listed(left)], decides=True)
        if name == "Fn::EachMemberEquals":
            return _joined([_same(one, right) for one in _listed(left)], decides=False)
        return _joined(
            [_joined([_same(one, other) for other in _listed(right)], decides=True) for one in _listed(left)],
            decides=False,
        )

    def _value(self, expression: Any) -> Any:
        """Evaluate what stands for a string or a list of strings; a truth counts as "true" or "false"."""
        if isinstance(expression, list):
            return [self._value(one) for one in expression]
        if not isinstance(expression, dict):
            return text(expression)
        if set(expression) == {"Ref"}:
            name = str(expression["Ref"])
            if name not in self._known:
                return _UNKNOWN
            parameter = self._declared.get(name)
            value = self._known[name]
            return [one.strip() for one in value.split(",")] if parameter and parameter.is_list else value
        if _OF_THE_ACCOUNT & expression.keys():
            return _UNKNOWN
        found = self.truth(expression)
        return found if isinstance(found, _Unknown) else text(found)


def _function(expression: Any) -> tuple[str, list[Any]]:
    if isinstance(expression, dict) and len(expression) == 1:
        ((name, given),) = expression.items()
        if isinstance(given, list):
            return str(name), given
    raise ValueError(f"{expression!r} is no function of Rules")


def _joined(found: Iterable[bool | _Unknown], *, decides: bool) -> bool | _Unknown:
    """Join truths: one that `decides` decides; otherwise one unknown leaves all unknown."""
    truths = list(found)
    if decides in truths:
        return decides
    return _UNKNOWN if any(isinstance(one, _Unknown) for one in truths) else not decides


def _same(left: Any, right: Any) -> bool | _Unknown:
    return _UNKNOWN if _holds_unknown(left, right) else left == right


def _listed(value: Any) -> list[Any]:
    """The members of a list; one that is unknown as a whole has one unknown member."""
    return value if isinstance(value, list) else [value]


def _holds_unknown(*values: Any) -> bool:
    return any(
        isinstance(value, _Unknown) or (isinstance(value, list) and _holds_unknown(*value))
        for value in values
    )


def _references(expression: Any) -> Iterator[str]:
    """Names that an expression refers to, in its order."""
    if isinstance(expression, list):
        for one in expression:
            yield from _references(one)
    elif isinstance(expression, dict):
        for name, inner in expression.items():
            if name == "Ref":
                yield str(inner)
            else:
                yield from _references(inner)
