"""What one stack needs another one gives; environment files name what exists; budgets add up across files."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FILLED_BY_THE_TOOL = {"Image"}
COMPARE_DIGESTS = """
import runpy
diagram = runpy.run_path("docs/diagram.py")
print(diagram["digest"]() == diagram["recorded"](diagram["PICTURE"].read_bytes()))
"""
PRINT_PAGE = "import runpy; print(runpy.run_path('docs/templates.py')['page'](), end='')"


def service_container(templates: dict[str, Any]) -> dict[str, Any]:
    return templates["service"]["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]


def attribute(resource: dict[str, Any], key: str) -> Any:
    attributes = (
        resource["Properties"].get("TargetGroupAttributes")
        or resource["Properties"]["LoadBalancerAttributes"]
    )
    return next(item["Value"] for item in attributes if item["Key"] == key)


def largest(templates: dict[str, Any], value: Any) -> int:
    """The largest number a property can become: the parameter's MaxValue where it is a Ref."""
    if isinstance(value, dict):
        return int(templates["service"]["Parameters"][value["Ref"]]["MaxValue"])
    return int(value)


def test_environment_names_what_exists(environment: dict[str, Any], templates: dict[str, Any]) -> None:
    assert set(environment["stacks"]) <= templates.keys()
    for stack, values in environment["parameters"].items():
        assert stack in environment["stacks"]
        assert values.keys() <= templates[stack]["Parameters"].keys()


def test_each_parameter_has_a_source(environment: dict[str, Any], templates: dict[str, Any]) -> None:
    given: set[str] = set()
    for stack in environment["stacks"]:
        needed = {
            name
            for name, parameter in templates[stack].get("Parameters", {}).items()
            if "Default" not in parameter
        }
        missing = needed - given - environment["parameters"].get(stack, {}).keys() - FILLED_BY_THE_TOOL
        assert not missing, f"{stack}: nobody gives {missing}"
        given |= templates[stack]["Outputs"].keys()


def test_nothing_is_cut_off_while_a_task_leaves(templates: dict[str, Any]) -> None:
    container = service_container(templates)
    environment = {item["Name"]: item["Value"] for item in container["Environment"]}
    delay = attribute(
        templates["service"]["Resources"]["TargetGroup"], "deregistration_delay.timeout_seconds"
    )
    leaving = sum(
        largest(templates, value)
        for value in (delay, environment["ECHO_GRACE_SECONDS"], environment["ECHO_DRAIN_SECONDS"])
    )
    assert leaving < container["StopTimeout"] <= 120


def test_the_balancer_closes_idle_connections_before_the_tasks_do(templates: dict[str, Any]) -> None:
    idle = int(attribute(templates["service"]["Resources"]["LoadBalancer"], "idle_timeout.timeout_seconds"))
    settings = (ROOT / "docs" / "settings.md").read_text()
    row = next(line for line in settings.splitlines() if "`ECHO_KEEPALIVE_SECONDS`" in line)
    keepalive = float(re.search(r"\|\s*`?(\d+(?:\.\d+)?)`?\s*\|", row)[1])
    assert idle < keepalive


def test_port_and_health_check_agree_with_the_image(templates: dict[str, Any]) -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    port = int(re.search(r"^EXPOSE (\d+)$", dockerfile, re.M)[1])
    container = service_container(templates)
    resources = templates["service"]["Resources"]
    assert container["PortMappings"][0]["ContainerPort"] == port
    assert resources["TargetGroup"]["Properties"]["Port"] == port
    assert resources["Service"]["Properties"]["LoadBalancers"][0]["ContainerPort"] == port
    assert resources["TaskSecurityGroup"]["Properties"]["SecurityGroupIngress"][0]["FromPort"] == port
    assert resources["LoadBalancerToTasks"]["Properties"]["FromPort"] == port
    assert f"ECHO_PORT={port}" in dockerfile
    health = ", ".join(f'"{word}"' for word in container["HealthCheck"]["Command"][1:])
    assert f"CMD [{health}]" in dockerfile


def test_subnets_are_disjoint_and_in_different_zones(templates: dict[str, Any]) -> None:
    subnets = {
        name: resource["Properties"]
        for name, resource in templates["network"]["Resources"].items()
        if resource["Type"] == "AWS::EC2::Subnet"
    }
    blocks = [properties["CidrBlock"]["Fn::Select"][0] for properties in subnets.values()]
    assert len(set(blocks)) == len(blocks) == 4
    for kind in ("Public", "Private"):
        zones = [
            p["AvailabilityZone"]["Fn::Select"][0] for name, p in subnets.items() if name.startswith(kind)
        ]
        assert zones == [0, 1]


def test_documentation_is_what_the_templates_say() -> None:
    made = subprocess.run(
        [sys.executable, "-c", PRINT_PAGE], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / "templates.md").read_text() == made, "run: make docs"


def test_the_picture_is_drawn_from_these_templates() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPARE_DIGESTS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True", "run: make diagram"
