"""Rules every template keeps: described, constrained, grouped, used, small, without physical names."""

import json
import re
from pathlib import Path
from typing import Any

from stack.scan.resolve import references

# Properties that would give a resource a name of ours, which then could neither be replaced nor made twice.
PHYSICAL_NAMES = {
    "BucketName", "ClusterName", "Family", "GroupName", "LogGroupName", "Name", "RepositoryName", "RoleName",
    "ServiceName", "TableName", "TopicName",
}  # fmt: skip
# What needs one: WAF logs only to groups whose names begin with aws-waf-logs-, a record is its name, an
# endpoint is for a service of AWS's.
NAMED = {
    ("AWS::EC2::VPCEndpoint", "ServiceName"),
    ("AWS::Logs::LogGroup", "LogGroupName"),
    ("AWS::Logs::MetricFilter", "LogGroupName"),
    # An objective has to be given a name; a family is what revisions of a task definition have in common.
    ("AWS::ApplicationSignals::ServiceLevelObjective", "Name"),
    ("AWS::ECS::TaskDefinition", "Family"),
    ("AWS::Route53::RecordSet", "Name"),
}
# What holds data that nothing can make again, or that people look for after an accident.
STATEFUL = {
    "AWS::DynamoDB::GlobalTable",
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
    body += json.dumps(template.get("Conditions", {})) + json.dumps(template.get("Rules", {}))
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
        and (resource["Type"], key) not in NAMED
        and not references(resource["Properties"][key]) & template["Resources"].keys()
    ]
    assert not named


def test_stateful_resources_say_what_happens_to_them(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        if resource["Type"] in STATEFUL:
            assert resource.get("UpdateReplacePolicy") == "Retain", name
            assert "DeletionPolicy" in resource, name


def test_outputs_are_described(template: dict[str, Any]) -> None:
    assert all(output.get("Description") for output in template["Outputs"].values())
