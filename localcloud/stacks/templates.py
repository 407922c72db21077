"""Templates: short forms of the Rules section's functions, properties in AWS's types, capabilities."""

from __future__ import annotations

from typing import Any

from localcloud import emulator, schemas

#: MiniStack knows these by their long names only.
_SHORT_FORMS = (
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "RefAll",
    "ValueOf",
    "ValueOfAll",
    "ToJsonString",
    "Length",
    "Transform",
)


def install() -> None:
    """Install all three."""
    engine = emulator.module("services.cloudformation.engine")
    for name in _SHORT_FORMS:
        engine.CfnLoader.add_constructor(f"!{name}", engine._construct_cfn_tag(f"Fn::{name}"))

    # MiniStack asks for capabilities only where it enforces IAM; AWS always does.
    emulator.module("services.cloudformation.handlers")._capabilities_enforced = lambda: True

    stacks = emulator.module("services.cloudformation.stacks")
    with_tags = stacks._with_stack_tags

    def typed_with_tags(resource_type: str, properties: dict[str, Any], *rest: Any) -> Any:
        # Everything a create or an update passes to a handler comes through here.
        return with_tags(resource_type, schemas.coerced(resource_type, properties), *rest)

    stacks._with_stack_tags = typed_with_tags
