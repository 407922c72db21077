"""What an environment promises, by its stack `slo`: the goals that its alarms hold the service to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.files import templates

_STACK = "slo"
_TEMPLATE = Path(__file__).resolve().parents[2] / "cloudformation" / f"{_STACK}.yaml"


@dataclass(frozen=True)
class Goals:
    """Percent of the requests to be answered as they should be, and milliseconds for most of them."""

    availability_percent: float
    latency_ms: float


def of(cloud: Cloud) -> Goals:
    """The goals of the deployed stack; where there is none, the environment file's, or the template's."""
    environment = cloud.environment
    deployed = (
        stacks.describe(cloud, environment.stack_name(_STACK)) if _STACK in environment.stacks else None
    )
    return chosen(deployed.parameters if deployed else environment.parameters.get(_STACK, {}))


def chosen(given: Mapping[str, str]) -> Goals:
    """The goals among the stack's parameters, with the template's defaults for those that are not given."""
    defaults = templates.parse(_TEMPLATE.read_text(encoding="utf-8"))["Parameters"]
    availability, latency = (
        float(given.get(name, defaults[name]["Default"])) for name in ("AvailabilityGoal", "LatencyMs")
    )
    return Goals(availability, latency)
