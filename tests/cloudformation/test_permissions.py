"""The role that CloudFormation deploys with, where there is one, knows every service in the templates."""

from collections.abc import Iterator
from typing import Any

from stack.scan.resolve import references

# How IAM calls a service whose types have another name.
IAM_NAMES = {
    "applicationautoscaling": "application-autoscaling",
    "certificatemanager": "acm",
    "elasticloadbalancingv2": "elasticloadbalancing",
}


def deploying(templates: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Roles that CloudFormation takes on: the template's name, the template, the role's properties."""
    for name, template in templates.items():
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::IAM::Role":
                trusted = str(resource["Properties"]["AssumeRolePolicyDocument"])
                if "cloudformation.amazonaws.com" in trusted:
                    yield name, template, resource["Properties"]


def allowed(value: Any) -> Iterator[str]:
    """Every action that statements below `value` allow, whatever their conditions."""
    if isinstance(value, list):
        for item in value:
            yield from allowed(item)
    elif isinstance(value, dict) and value.get("Effect") == "Allow":
        actions = value["Action"]
        yield from actions if isinstance(actions, list) else [actions]
    elif isinstance(value, dict):
        for item in value.values():
            yield from allowed(item)


def test_the_deploying_role_knows_every_service(templates: dict[str, Any]) -> None:
    roles = list(deploying(templates))
    assert roles
    for name, template, role in roles:
        policies = [template["Resources"][one] for one in references(role["ManagedPolicyArns"])]
        services = {action.partition(":")[0] for action in allowed(policies)}
        used = {
            IAM_NAMES.get(service := resource["Type"].split("::")[1].lower(), service)
            for other, one in templates.items()
            if other != name
            for resource in one["Resources"].values()
        }
        assert used <= services


def test_every_role_can_be_bounded(templates: dict[str, Any]) -> None:
    """Else who may change a template could give a task more than the deploying role has itself."""
    own = {name for name, *_ in deploying(templates)}
    for name, template in templates.items():
        for logical_id, resource in template["Resources"].items():
            if resource["Type"] == "AWS::IAM::Role" and name not in own:
                assert "PermissionsBoundary" in resource["Properties"], f"{name}.{logical_id}"
