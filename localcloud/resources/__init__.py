"""Resource types that MiniStack's CloudFormation lacks, or provisions with less than the template says.

One module per service; each has a `PROVISIONERS` mapping from resource type to `Provisioner`, and `install`
where types that MiniStack has are corrected. A type that neither MiniStack nor one of these knows is refused
by name when the change set is made.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from localcloud import emulator, schemas
from localcloud.resources.base import Made, Provisioner

_MODULES = (
    "acm", "cloudwatch", "ec2", "ecs", "elbv2", "events", "globaltables", "iam", "listeners", "logs",
    "route53", "scaling", "signals", "sns", "storage", "tables", "vpc", "wafv2",
)  # fmt: skip


def _modules() -> list[Any]:
    return [import_module(f"{__name__}.{name}") for name in _MODULES]


def provisioners() -> dict[str, Provisioner]:
    """Every resource type that is provisioned here instead of by MiniStack."""
    return {name: one for module in _modules() for name, one in module.PROVISIONERS.items()}


def install() -> None:
    """Register the types with MiniStack's CloudFormation."""
    cloudformation = emulator.module("services.cloudformation.provisioners")
    for name, provisioner in provisioners().items():
        existing = cloudformation._RESOURCE_HANDLERS.get(name, {})
        cloudformation._RESOURCE_HANDLERS[name] = {**provisioner.handlers(existing)}
        if provisioner.tagged:
            cloudformation._STACK_TAG_PROPERTY.setdefault(name, ("Tags", "list"))
    for module in _modules():
        if correct := getattr(module, "install", None):
            correct()
    _replace_where_it_depends()
    for name, entry in cloudformation._RESOURCE_HANDLERS.items():
        if identifier := schemas.generated_identifier(name):
            for handler in ("create", "update"):
                if handler in entry:
                    entry[handler] = _identified(entry[handler], identifier)


def _replace_where_it_depends() -> None:
    own = {name: one.replaces for name, one in provisioners().items() if one.replaces}
    modules = [emulator.module(f"services.cloudformation.{name}") for name in ("provisioners", "stacks")]
    by_schema = modules[0]._replacing_change

    def replacing(resource_type: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
        replaces = own.get(resource_type)
        return by_schema(resource_type, old, new) or bool(replaces and replaces(old, new))

    for module in modules:
        module._replacing_change = replacing


def _identified(handler: Callable[..., Made], name: str) -> Callable[..., Made]:
    """`Fn::GetAtt` of what `Ref` gives, which handlers tend to forget."""

    def made(*arguments: Any) -> Made:
        physical_id, attributes = handler(*arguments)
        return physical_id, {name: physical_id, **attributes}

    return made
