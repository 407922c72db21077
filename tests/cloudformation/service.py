"""Finds the parts of a service in resolved templates by type and reference, whatever they are called."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.files import environment
from stack.files.environment import Environment
from stack.scan.resolve import references
from stack.scan.templates import Resolved

ROOT = Path(__file__).parents[2]
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


@functools.cache
def load_environment(name: str) -> Environment:
    """An environment file with its templates, read once."""
    return environment.load(ROOT, name)


@dataclass(frozen=True)
class Served:
    """A service behind a balancer: its properties, the container that is called, its target groups."""

    template: Resolved
    service: Mapping[str, Any]
    container: Mapping[str, Any]
    port: int
    target_groups: Mapping[str, Mapping[str, Any]]
    balancers: Mapping[str, Mapping[str, Any]]

    def setting(self, name: str) -> float:
        """A number the container is told, else the service's default for it (docs/settings.md)."""
        given = {item["Name"]: item["Value"] for item in self.container.get("Environment", ())}
        default = re.search(rf"^\| `{name}` \| `([\d.]+)` \|", SETTINGS, re.M)
        assert default, name
        return float(given.get(name, default[1]))


def served(deployed: Mapping[str, Resolved]) -> Iterator[Served]:
    """Every service of an environment that a balancer calls."""
    for template in deployed.values():
        for service in template.of_type("AWS::ECS::Service").values():
            (task,) = references(service["TaskDefinition"])
            definition = template.resources[task]["Properties"]
            for balanced in service.get("LoadBalancers", ()):
                (container,) = (
                    one
                    for one in definition["ContainerDefinitions"]
                    if one["Name"] == balanced["ContainerName"]
                )
                groups = template.of_type("AWS::ElasticLoadBalancingV2::TargetGroup")
                named = references(balanced) & set(groups)
                assert named
                yield Served(
                    template,
                    service,
                    container,
                    int(balanced["ContainerPort"]),
                    {name: groups[name] for name in named},
                    template.of_type("AWS::ElasticLoadBalancingV2::LoadBalancer"),
                )


def attribute(properties: Mapping[str, Any], key: str) -> str | None:
    """An attribute of a balancer or a target group; None where the template leaves it to AWS."""
    pairs = properties.get("TargetGroupAttributes") or properties.get("LoadBalancerAttributes") or ()
    return next((pair["Value"] for pair in pairs if pair["Key"] == key), None)
