"""Nothing is alarmed that isn't measured, nothing measured that nobody sees; each alarm has a runbook."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.probe import result
from app.telemetry import emf
from stack.cost import bill
from stack.cost.usage import Usage
from stack.scan.templates import Resolved
from tests.cloudformation.conftest import parse_template
from tests.cloudformation.service import load_environment

ROOT = Path(__file__).parents[2]
STACKS = ("monitoring", "probe", "slo", "health")
RUNBOOKS = (ROOT / "docs" / "operations.md").read_text().partition("\n## Runbooks\n")[2].partition("\n## ")[0]
OBJECTIVES = (ROOT / "docs" / "slo.md").read_text()
METRIC, COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"


def alarms() -> dict[str, tuple[str, dict[str, Any]]]:
    """Each alarm of the watching stacks: its type and its properties as written."""
    return {
        name: (resource["Type"], resource["Properties"])
        for stack in STACKS
        for name, resource in parse_template(ROOT / "cloudformation" / f"{stack}.yaml")["Resources"].items()
        if resource["Type"] in (METRIC, COMPOSITE)
    }


ALARMS = alarms()


@pytest.fixture(scope="module")
def prod() -> dict[str, Resolved]:
    from tests.cloudformation.conftest import resolve_environment

    return resolve_environment("prod")


@pytest.fixture(scope="module")
def widgets(prod: dict[str, Resolved]) -> list[dict[str, Any]]:
    (dashboard,) = prod["dashboard"].of_type("AWS::CloudWatch::Dashboard").values()
    found: list[dict[str, Any]] = json.loads(dashboard["DashboardBody"])["widgets"]
    return found


@pytest.mark.parametrize("name", ALARMS)
def test_the_description_ends_with_the_runbook(name: str) -> None:
    text = ALARMS[name][1]["AlarmDescription"]["Fn::Sub"]
    found = re.search(r"\. \$\{RunbookUrl\}#([a-z]+)$", text)
    assert found
    assert found[1] in {heading.lower() for heading in re.findall(r"^### (\w+)$", RUNBOOKS, re.M)}


def test_every_runbook_is_that_of_an_alarm() -> None:
    anchors = {
        properties["AlarmDescription"]["Fn::Sub"].rpartition("#")[2] for _, properties in ALARMS.values()
    }
    assert {heading.lower() for heading in re.findall(r"^### (\w+)$", RUNBOOKS, re.M)} == anchors


def test_every_runbook_says_the_four_things() -> None:
    for section in re.split(r"^### ", RUNBOOKS, flags=re.M)[1:]:
        name, _, body = section.partition("\n")
        said = [word.lower() for word in re.findall(r"\*\*(\w+)\*\*", body)]
        assert said[:1] == ["means"], name
        assert {"tell", "do", "over"} <= set(said), name


@pytest.mark.parametrize("name", ALARMS)
def test_somebody_is_told(name: str) -> None:
    assert ALARMS[name][1]["AlarmActions"]


@pytest.mark.parametrize("name", [name for name, (kind, _) in ALARMS.items() if kind == METRIC])
def test_cloudwatch_takes_it(name: str) -> None:
    """A day at most where the period is below an hour, else seven; ten metrics; missing data on purpose."""
    properties = ALARMS[name][1]
    queries = properties.get("Metrics", [])
    periods = {query["MetricStat"]["Period"] for query in queries if "MetricStat" in query}
    (period,) = periods or {properties.get("Period")}
    assert period % 60 == 0
    assert period * properties["EvaluationPeriods"] <= (86_400 if period < 3600 else 604_800)
    assert len(queries) <= 10
    assert "TreatMissingData" in properties


def test_composite_alarms_are_made_of_alarms() -> None:
    for name, (kind, properties) in ALARMS.items():
        if kind == COMPOSITE:
            named = set(re.findall(r'ALARM\("\$\{(\w+)\}"\)', properties["AlarmRule"]["Fn::Sub"]))
            assert named, name
            assert named <= ALARMS.keys(), name


def metrics(value: Any) -> Iterator[tuple[Any, str]]:
    """Namespace and name of every metric below `value`."""
    if isinstance(value, list):
        for item in value:
            yield from metrics(item)
    elif isinstance(value, dict):
        if "MetricName" in value and "Namespace" in value:
            yield value["Namespace"], value["MetricName"]
        for item in value.values():
            yield from metrics(item)


def shown(widgets: list[dict[str, Any]]) -> set[tuple[str, str]]:
    rows = [row for widget in widgets for row in widget["properties"].get("metrics", ())]
    return {(row[0], row[1]) for row in rows if isinstance(row[0], str)}


def test_everything_that_the_service_and_the_probe_measure_is_on_the_dashboard(
    widgets: list[dict[str, Any]],
) -> None:
    seen = {name for namespace, name in shown(widgets) if namespace == emf.NAMESPACE}
    assert seen == emf.METRICS.keys() | result.METRICS.keys()


def test_alarms_are_on_what_the_service_and_the_probe_measure() -> None:
    used = {
        name for namespace, name in metrics([one for _, one in ALARMS.values()]) if namespace == "EchoRoom"
    }
    assert used
    assert used <= emf.METRICS.keys() | result.METRICS.keys()


def test_what_is_counted_in_logs_is_seen(prod: dict[str, Resolved], widgets: list[dict[str, Any]]) -> None:
    filters = prod["monitoring"].of_type("AWS::Logs::MetricFilter")
    counted = {one["MetricTransformations"][0]["MetricName"] for one in filters.values()}
    namespace = "echo-room-prod-monitoring"
    assert counted == {name for where, name in shown(widgets) if where == namespace}
    alarmed = {name for where, name in metrics(prod["monitoring"].template) if where == namespace}
    assert alarmed == counted


def test_the_dashboard_is_one_screen(widgets: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for one in widgets:
        assert one["x"] + one["width"] <= 24
        place = {
            (x, y)
            for x in range(one["x"], one["x"] + one["width"])
            for y in range(one["y"], one["y"] + one["height"])
        }
        assert not place & taken, one["properties"]["title"]
        taken |= place
    assert max(y for _, y in taken) < 24


def test_titles_are_read_whole_in_a_picture_of_the_screen(widgets: list[dict[str, Any]]) -> None:
    long = [w["properties"]["title"] for w in widgets if len(w["properties"]["title"]) > 7 * w["width"]]
    assert not long


def test_the_page_quotes_the_expressions() -> None:
    written = "\n".join((ROOT / "cloudformation" / f"{stack}.yaml").read_text() for stack in STACKS)
    quoted = [block.strip() for block in re.findall(r"^```\n(.*?)^```", OBJECTIVES, re.M | re.S)]
    assert len(quoted) == 4
    for expression in quoted:
        assert expression in written


def test_the_page_names_alarms_that_exist() -> None:
    table = OBJECTIVES.partition("## The objectives")[2].partition("\n## ")[0]
    told = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.rpartition(" | ")[2])}
    assert {name for name in told if name.endswith(("Alarm", "Page", "Ticket"))} <= ALARMS.keys()
    pages = {name for name, (kind, _) in ALARMS.items() if kind == COMPOSITE} - {"TasksAlarm"}
    assert pages <= told


def test_the_screen_says_what_make_cost_says(prod: dict[str, Resolved]) -> None:
    values = prod["dashboard"].values
    found = bill.of(load_environment("prod"), Usage())
    service = found.of("service")
    tasks = sum(
        line.month for line in service.lines if line.resource == "Service" and "vCPU" in line.price.unit
    )
    tasks += sum(
        line.month for line in service.lines if line.resource == "Service" and "GB-hour" in line.price.unit
    )
    assert float(values["TaskHourPrice"]) == pytest.approx(tasks / 3 / 730, rel=0.01)
    assert float(values["FixedHourPrice"]) == pytest.approx((found.idle - tasks) / 730, rel=0.01)
