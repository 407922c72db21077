"""No role of a service gets more than whoever deploys it may hand on."""

from typing import Any


def test_every_role_can_be_bounded(templates: dict[str, Any]) -> None:
    """Else who may change a template could give a task more than the deploying role has itself."""
    # Where CloudFormation's own role is made, the boundary is made too.
    bounding = {
        name
        for name, template in templates.items()
        for resource in template["Resources"].values()
        if "cloudformation.amazonaws.com"
        in str(resource.get("Properties", {}).get("AssumeRolePolicyDocument"))
    }
    roles = [
        (name, logical_id, resource["Properties"])
        for name, template in templates.items()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role" and name not in bounding
    ]
    assert roles
    assert not [role[:2] for role in roles if "PermissionsBoundary" not in role[2]]
