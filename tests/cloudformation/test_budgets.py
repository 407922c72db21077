"""Times that must fit together, or requests are lost while tasks come and go."""

from collections.abc import Mapping
from typing import Any

from stack.scan.resolve import references, resolve
from stack.scan.templates import Resolved
from tests.cloudformation.service import Served, attribute, served

# What ECS allows.
LONGEST_STOP = 120
# AWS's defaults where a template says nothing.
DEREGISTRATION_DEFAULT = 300
IDLE_DEFAULT = 60
# The image answers its health check well within this on a quarter of a vCPU.
START_UP = 10


def leaving(found: Served, group: Mapping[str, Any]) -> float:
    """How long a task takes at most from being told to leave to its end."""
    delay = attribute(group, "deregistration_delay.timeout_seconds")
    return (
        float(DEREGISTRATION_DEFAULT if delay is None else delay)
        + found.setting("ECHO_GRACE_SECONDS")
        + found.setting("ECHO_DRAIN_SECONDS")
    )


def test_nothing_is_cut_off_while_a_task_leaves(deployed: dict[str, Resolved]) -> None:
    for found in served(deployed):
        for name, group in found.target_groups.items():
            assert leaving(found, group) < found.container["StopTimeout"] <= LONGEST_STOP, name


def test_nor_with_the_largest_values_that_parameters_allow(
    templates: dict[str, Any], local: dict[str, Resolved]
) -> None:
    """An operator may change each of the numbers without knowing of the others."""
    name, template = next(
        (name, one)
        for name, one in templates.items()
        if any(item["Type"] == "AWS::ECS::Service" for item in one["Resources"].values())
    )
    known = local[name]
    drained = {"ECHO_GRACE_SECONDS", "ECHO_DRAIN_SECONDS"}
    meant = set()
    for item in template["Resources"].values():
        for pair in item.get("Properties", {}).get("TargetGroupAttributes", ()):
            meant |= references(pair["Value"]) if "deregistration_delay" in pair["Key"] else set()
        for container in item.get("Properties", {}).get("ContainerDefinitions", ()):
            for pair in container["Environment"]:
                meant |= references(pair["Value"]) if pair.get("Name") in drained else set()
    assert meant
    largest = {one: template["Parameters"][one]["MaxValue"] for one in meant}
    plain = resolve(template, {**known.values, **largest})
    (found,) = served({name: Resolved("all", name, known.file, plain, {}, {})})
    for group in found.target_groups.values():
        assert leaving(found, group) < found.container["StopTimeout"]


def test_the_balancer_closes_idle_connections_before_the_tasks_do(deployed: dict[str, Resolved]) -> None:
    for found in served(deployed):
        assert found.balancers
        for name, balancer in found.balancers.items():
            idle = attribute(balancer, "idle_timeout.timeout_seconds")
            assert float(IDLE_DEFAULT if idle is None else idle) < found.setting("ECHO_KEEPALIVE_SECONDS"), (
                name
            )


def test_a_starting_task_is_given_time(deployed: dict[str, Resolved]) -> None:
    for found in served(deployed):
        grace = found.service["HealthCheckGracePeriodSeconds"]
        check = found.container.get("HealthCheck")
        if check:
            assert check["Timeout"] <= check["Interval"]
            assert check["StartPeriod"] >= START_UP
        for name, group in found.target_groups.items():
            assert group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"], name
            healthy = group["HealthCheckIntervalSeconds"] * group["HealthyThresholdCount"]
            assert grace >= START_UP + healthy, f"{name}: a task would be killed before it can be healthy"


def test_a_dead_task_is_noticed_while_others_can_take_over(deployed: dict[str, Resolved]) -> None:
    """Before clients give up: browsers and libraries wait 30 s and more."""
    for found in served(deployed):
        for name, group in found.target_groups.items():
            unhealthy = group["HealthCheckIntervalSeconds"] * group["UnhealthyThresholdCount"]
            assert unhealthy <= 30, name
