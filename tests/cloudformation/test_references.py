"""What a stack names exists: outputs, alarms' dimensions, parameters' values, what stays after a stack."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stack.errors import ToolError
from stack.files import rules
from stack.scan.resolve import as_text, references, resolve, typed
from stack.scan.templates import Resolved
from tests.cloudformation.service import load_environment

ROOT = Path(__file__).parents[2]
# What CloudWatch calls a resource: its type, and the attribute that is this name ("" for what Ref gives).
DIMENSIONS = {
    "ClusterName": ("AWS::ECS::Cluster", ""),
    "HealthCheckId": ("AWS::Route53::HealthCheck", ""),
    "LoadBalancer": ("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerFullName"),
    "ServiceName": ("AWS::ECS::Service", "Name"),
    "TableName": ("AWS::DynamoDB::GlobalTable", ""),
    "TargetGroup": ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupFullName"),
    "TopicName": ("AWS::SNS::Topic", "TopicName"),
}
# Their values are words of AWS's, not names of resources.
WORDS = {
    "AvailabilityZone",
    "Operation",
    "ReceivingRegion",
    "Region",
    "Rule",
    "Service",
    "Resource",
    "Type",
    "Class",
}


# For people and their own commands, not for a stack, the tool or a page.
FOR_PEOPLE = {
    "service.TargetGroupArn": "aws elbv2 describe-target-health",
    "service.LoadBalancerDnsName": "a DNS record of one's own",
}


def test_outputs_are_used(templates: dict[str, dict[str, Any]]) -> None:
    """By a parameter of that name, by the tool, an environment file, or people, as the documentation says."""
    parameters = {name for template in templates.values() for name in template.get("Parameters", {})}
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    prose = "\n".join(page.read_text() for page in pages if page.name != "templates.md")
    code = "\n".join(file.read_text() for file in (ROOT / "stack").rglob("*.py"))
    files = "\n".join(file.read_text() for file in (ROOT / "cloudformation").glob("environments/*.toml"))
    unused = [
        f"{stack}.{name}"
        for stack, template in templates.items()
        for name in template["Outputs"]
        if name not in parameters
        and not re.search(rf'"{name}"', code)
        and not re.search(rf"\b{name}\b", files + prose)
    ]
    assert sorted(unused) == sorted(FOR_PEOPLE)


def test_values_fit_their_parameters(deployed: dict[str, Resolved]) -> None:
    """Also those that come from another stack: what it gives is what the next one takes."""
    for template in deployed.values():
        environment = load_environment(template.environment)
        for name, parameter in environment.templates[template.stack].parameters.items():
            value = as_text(template.values[name])
            assert not parameter.refusal(value), f"{template.stack}.{name}"


def choices() -> list[tuple[str, str, str]]:
    """Each value that a parameter allows: the stack, the parameter, the value."""
    return [
        (stack, name, value)
        for stack, template in load_environment("local").templates.items()
        for name, parameter in template.parameters.items()
        for value in parameter.allowed
    ]


@pytest.mark.parametrize(("stack", "name", "value"), choices())
def test_every_choice_makes_a_whole_template(
    local: dict[str, Resolved], stack: str, name: str, value: str
) -> None:
    """Nothing that stays refers to what a choice takes away, unless a Rule refuses the choice."""
    environment = load_environment("local")
    template = environment.templates[stack]
    texts = {one: as_text(local[stack].values[one]) for one in template.parameters} | {name: value}
    if rules.broken(template, texts, environment.region):
        return
    declared = template.document["Parameters"]
    values = {**local[stack].values, **{one: typed(declared[one], text) for one, text in texts.items()}}
    try:
        resolve(template.document, values, stack)
    except ToolError as error:
        pytest.fail(error.message)


def dimensions(value: Any) -> Iterator[tuple[str, Any]]:
    """Every metric's dimensions below `value`."""
    if isinstance(value, list):
        for item in value:
            yield from dimensions(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Dimensions":
                yield from ((one["Name"], one["Value"]) for one in item)
            else:
                yield from dimensions(item)


def test_metrics_are_those_of_what_exists(deployed: dict[str, Resolved]) -> None:
    """An alarm on a metric that nobody writes would stay silent for ever."""
    for template in deployed.values():
        given = {as_text(one) for other in deployed.values() for one in other.values.values()}
        for kind in ("AWS::CloudWatch::Alarm", "AWS::ApplicationAutoScaling::ScalingPolicy"):
            for name, properties in template.of_type(kind).items():
                for dimension, value in dimensions(properties):
                    where = f"{template.where(name)}: {dimension}"
                    if isinstance(value, str):
                        assert dimension in WORDS or value in given, where
                        continue
                    assert dimension in DIMENSIONS, where
                    (named,) = references(value)
                    attribute = value["Fn::GetAtt"][1] if "Fn::GetAtt" in value else ""
                    assert (template.resources[named]["Type"], attribute) == DIMENSIONS[dimension], where


def test_alarms_of_a_deployment_exist(deployed: dict[str, Resolved]) -> None:
    for template in deployed.values():
        alarms = template.of_type("AWS::CloudWatch::Alarm")
        for name, service in template.of_type("AWS::ECS::Service").items():
            named = references(service["DeploymentConfiguration"].get("Alarms", {}).get("AlarmNames", []))
            assert named <= alarms.keys(), name


def kept(template: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, resource in template["Resources"].items():
        if "Retain" in json.dumps(resource.get("DeletionPolicy", "")):
            yield name, resource


def test_what_stays_after_a_stack_is_named(template_path: Path, template: dict[str, Any]) -> None:
    """In the documentation, where people look who wonder what still costs money."""
    page = (ROOT / "docs" / "security.md").read_text()
    for name, resource in kept(template):
        assert resource["Metadata"]["Description"], name
        assert re.search(rf"^\| `{template_path.stem}` \| `{name}` \| \S", page, re.M), name
