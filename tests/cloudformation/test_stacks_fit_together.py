"""What one stack needs another one gives; environment files name what exists; pages and image agree."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from stack.scan.templates import Resolved
from tests.cloudformation.service import served

ROOT = Path(__file__).parents[2]
FILLED_BY_THE_TOOL = {"Image"}
COMPARE_DIGESTS = """
import runpy
diagram = runpy.run_path("docs/diagram.py")
print(diagram["digest"]() == diagram["recorded"](diagram["PICTURE"].read_bytes()))
"""
PRINT_PAGE = "import runpy; print(runpy.run_path('docs/templates.py')['page'](), end='')"


def test_environment_names_what_exists(environment: dict[str, Any], templates: dict[str, Any]) -> None:
    assert set(environment["stacks"]) <= templates.keys()
    for stack, values in environment.get("parameters", {}).items():
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
        own = environment.get("parameters", {}).get(stack, {}).keys()
        missing = needed - given - own - FILLED_BY_THE_TOOL
        assert not missing, f"{stack}: nobody gives {missing}"
        given |= templates[stack]["Outputs"].keys()


def test_what_is_said_to_come_from_other_stacks_does(templates: dict[str, Any]) -> None:
    """A parameter with a default would otherwise just keep it, when an output gets another name."""
    outputs = {name for template in templates.values() for name in template["Outputs"]}
    awaited = {
        name
        for template in templates.values()
        for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        if group["Label"]["default"].startswith("From the other stacks")
        for name in group["Parameters"]
    }
    assert awaited
    assert awaited <= outputs


def test_port_and_health_check_agree_with_the_image(deployed: dict[str, Resolved]) -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    port = int(re.search(r"^EXPOSE (\d+)$", dockerfile, re.M)[1])
    assert f"ECHO_PORT={port}" in dockerfile
    for found in served(deployed):
        assert found.port == port
        health = ", ".join(f'"{word}"' for word in found.container["HealthCheck"]["Command"][1:])
        assert f"CMD [{health}]" in dockerfile


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
