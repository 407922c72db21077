"""Rules every template keeps: described, constrained, grouped, used, small, and without physical names."""

import json
import re
from pathlib import Path
from typing import Any

# Properties that would give a resource a name of ours, which then could neither be replaced nor made twice.
PHYSICAL_NAMES = {
    "BucketName", "ClusterName", "Family", "GroupName", "LogGroupName", "Name", "RepositoryName", "RoleName",
    "ServiceName", "TableName", "TopicName",
}  # fmt: skip
# What holds data that nothing can make again, or that people look for after an accident.
STATEFUL = {
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
}


def test_body_fits_inline(template_path: Path) -> None:
    assert template_path.stat().st_size < 51_200


def test_parameters_are_described_constrained_grouped_and_used(template: dict[str, Any]) -> None:
    parameters = template.get("Parameters", {})
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)
    body = json.dumps({key: template[key] for key in ("Resources", "Outputs") if key in template})
    body += json.dumps(template.get("Conditions", {}))
    for name, parameter in parameters.items():
        assert parameter.get("Description"), name
        constrained = {"AllowedValues", "AllowedPattern", "MinValue"} & parameter.keys()
        assert constrained or parameter["Type"].startswith(("AWS::", "List<AWS::")), name
        assert re.search(rf'"{name}"|\${{{name}}}', body), f"{name} is not used"


def test_conditions_are_questions(template: dict[str, Any]) -> None:
    assert all(re.match(r"(Has|Is)[A-Z]", name) for name in template.get("Conditions", {}))


def test_resources_say_what_they_are(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        description = resource.get("Metadata", {}).get("Description", "")
        assert description, name
        assert len(description) <= 60, name


def test_no_physical_names(template: dict[str, Any]) -> None:
    named = [
        f"{name}.{key}"
        for name, resource in template["Resources"].items()
        for key in resource.get("Properties", {})
        if key in PHYSICAL_NAMES
        and resource["Type"] != "AWS::EC2::VPCEndpoint"  # there it names AWS's service
    ]
    assert not named


def test_stateful_resources_say_what_happens_to_them(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        if resource["Type"] in STATEFUL:
            assert resource.get("UpdateReplacePolicy") == "Retain", name
            assert "DeletionPolicy" in resource, name


def test_outputs_are_described(template: dict[str, Any]) -> None:
    assert all(output.get("Description") for output in template["Outputs"].values())


def test_no_role_may_do_everything(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        for policy in resource.get("Properties", {}).get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = (
                    statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                )
                assert not any("*" in action for action in actions), name
                if statement["Resource"] == "*":
                    assert actions == ["ecr:GetAuthorizationToken"], (
                        f"{name}: cannot be limited to a resource"
                    )


def test_security_groups_open_single_ports(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::EC2::SecurityGroup":
            for rule in resource["Properties"]["SecurityGroupIngress"]:
                assert rule["FromPort"] == rule["ToPort"], name
            assert resource["Properties"]["SecurityGroupEgress"], (
                f"{name}: the default would be everything, anywhere"
            )
