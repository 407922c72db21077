"""The sums in docs/architecture.md are right, made of the table's prices, and what `make cost` says."""

import ast
import dataclasses
import operator
import re
from pathlib import Path
from typing import Any

import pytest

from app.probe import result
from app.telemetry import emf
from stack.cost import bill, parts, prices
from stack.cost.bill import Bill
from stack.cost.usage import Usage
from tests.cloudformation.service import load_environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
SUM = re.compile(r"([\d.(][\d.\N{MULTIPLICATION SIGN}+/() ]*[\d)]) = (\d+(?:\.\d+)?)")
OPERATORS = {ast.Add: operator.add, ast.Mult: operator.mul, ast.Div: operator.truediv}
SUMS = SUM.findall(PAGE)


def value(text: str) -> float:
    def of(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](of(node.left), of(node.right))
        assert isinstance(node, ast.Constant)
        return float(node.value)

    return of(ast.parse(text.replace("\N{MULTIPLICATION SIGN}", "*"), mode="eval").body)


@pytest.mark.parametrize(("made_of", "result"), SUMS, ids=[f"{made} = {result}" for made, result in SUMS])
def test_sums_are_right(made_of: str, result: str) -> None:
    assert f"{value(made_of):.2f}" == result


def test_there_are_sums() -> None:
    assert len(SUMS) >= 15


TABLE = PAGE.partition("| price | USD |")[2].partition("\n\n")[0]
LISTED = {float(number) for number in re.findall(r"(?<![\d,])\d+(?:\.\d+)?(?![\d,])", TABLE)}


def test_rates_in_sums_are_listed() -> None:
    rates = {rate for made_of, _ in SUMS for rate in re.findall(r"\b0\.0\d+\b", made_of)}
    assert len(rates) >= 6
    assert {float(rate) for rate in rates} <= LISTED


@pytest.mark.parametrize("name", prices.load().by_name)
def test_every_price_is_on_the_page(name: str) -> None:
    assert prices.load()[name].usd in LISTED


def test_the_table_says_of_where_and_when_it_is() -> None:
    table = prices.load()
    assert f"list prices of {table.region} in {table.date:%B %Y}" in PAGE
    assert f"of {table.hours:g} hours" in PAGE
    assert table.note("us-east-1").count("us-east-1") == 1
    assert "eu-central-1, whose prices differ" in table.note("eu-central-1")


def bill_of(name: str, usage: Usage | None = None, **given: dict[str, str]) -> Bill:
    """The bill of an environment, with other parameters in some of its stacks."""
    environment = load_environment(name)
    parameters = {
        stack: {**environment.parameters[stack], **given.get(stack, {})} for stack in environment.stacks
    }
    return bill.of(dataclasses.replace(environment, parameters=parameters), usage or Usage())


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_page_and_the_command_agree(name: str) -> None:
    row = re.search(rf"^\| `{name}` \| .* = (\S+) \|", PAGE, re.M)
    assert row
    assert f"{bill_of(name).idle:.2f}" == row[1]
    for page in ("README.md", "docs/faq.md"):
        assert f"about {float(row[1]):.0f} USD" in (ROOT / page).read_text()


def test_the_page_is_right_about_a_million_echoes() -> None:
    for name, more in (("dev", 0.45), ("prod", 1.10)):
        added = bill_of(name).total - bill_of(name, Usage(requests=0)).total
        assert added == pytest.approx(more, abs=0.03)


# Parameters of dev (two zones, Egress public), and what they add to its idle sum, as the page says.
CHOICES = {
    "nat": ({"network": {"Egress": "nat"}}, "36.50", 1),
    "nat-per-zone": ({"network": {"Egress": "nat-per-zone"}}, "73.00", 1),
    "endpoints": ({"network": {"Egress": "endpoints"}}, "43.80", 1),
    "endpoints-3": ({"network": {"Egress": "endpoints", "Zones": "3"}}, "65.70", 1),
    "secrets": ({"network": {"Egress": "endpoints", "SecretsManagerEndpoint": "true"}}, "14.60", 1),
    "no-key": ({"data": {"CustomerKey": "false"}}, "1.00", -1),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_costs_what_the_page_says(choice: str) -> None:
    given, said, sign = CHOICES[choice]
    assert said in PAGE
    before = bill_of("dev")
    after = bill_of("dev", **given)
    network = after.of("network").idle - before.of("network").idle
    data = after.of("data").idle - before.of("data").idle
    # With the secrets' endpoint the three that go with `endpoints` come too.
    basis = 43.80 if choice == "secrets" else 0
    assert network + data - basis == pytest.approx(sign * float(said))


def test_tasks_are_priced_by_number_size_processor_hours_and_address() -> None:
    def priced(given: dict[str, str]) -> float:
        return bill_of("dev", service=given).of("service").idle

    day = {"QuietFromHour": "-1", "QuietToHour": "-1"}
    task = 7.20875 + 3.65
    assert priced(day) - priced({}) == pytest.approx((task + 6) * 7 / 24)
    two = priced({**day, "MinTasks": "2"})
    assert two - priced(day) == pytest.approx(task)
    x86 = priced({**day, "Architecture": "X86_64"})
    assert x86 - priced(day) == pytest.approx(9.010025 - 7.20875)
    large = priced({**day, "Cpu": "512", "Memory": "1024"})
    assert large - priced(day) == pytest.approx(7.20875)
    quiet = {"MinTasks": "2", "QuietFromHour": "22", "QuietToHour": "4"}
    assert priced({**day, **quiet}) - priced(day) == pytest.approx(2 * task * 18 / 24 - task - 6 * 6 / 24)


def test_the_probe_is_paid_for_while_it_runs() -> None:
    assert len(result.METRICS) == parts._PROBE_METRICS
    usual = bill_of("prod").idle
    seldom = bill_of("prod", probe={"ProbeMinutes": "60"}).idle
    assert usual - seldom == pytest.approx((9.010025 + 3.65) * (2 / 15 - 2 / 60))
    assert bill_of("prod", Usage(scheduled_minutes=3)).idle - usual == pytest.approx((9.010025 + 3.65) / 15)
    # Where there is a NAT gateway it has no address of its own.
    private = bill_of("prod", network={"Egress": "nat"}).of("probe").idle
    assert bill_of("prod").of("probe").idle - private == pytest.approx(3.65 * 2 / 15)
    off = bill_of("prod", probe={"Probe": "off"}).of("probe")
    assert (off.idle, off.not_priced) == (0, ())


def test_spot_counts_above_the_fewest_only() -> None:
    usual = bill_of("prod")
    more = bill_of("prod", Usage(tasks=5))
    assert more.idle == usual.idle
    # Of two more tasks one is Spot, at half the price.
    assert more.total - usual.total == pytest.approx(1.5 * 9.010025)
    on_demand = bill_of("prod", Usage(tasks=5), service={"Spot": "0"})
    assert on_demand.total - usual.total == pytest.approx(2 * 9.010025)
    assert bill_of("prod", Usage(tasks=2)).total == usual.total


def test_web_acl_and_zones_count() -> None:
    assert bill_of("prod").idle - bill_of("prod", edge={"WebAcl": "off"}).idle == pytest.approx(10 + 0.1)
    allowed = {"AllowedNetworks": "203.0.113.0/24"}
    assert bill_of("prod", edge=allowed).idle - bill_of("prod").idle == pytest.approx(1)
    balancer = bill_of("prod").idle - bill_of("prod", network={"Zones": "2"}).idle
    assert balancer == pytest.approx(3.65 + 21.9 + 0.4)  # and the alarm on the third zone
    assert bill_of("dev", network={"FlowLogs": "false"}).of("network").total == 0
    assert bill_of("dev").of("network").total == pytest.approx(0.5 * 0.5 + 0.5 * 12 * 0.03)


def test_objectives_cost_by_how_often_they_have_a_value() -> None:
    found = [line for line in bill_of("prod").of("slo").lines if line.price.unit == "million"]
    assert {line.resource for line in found} == {
        "AvailabilityObjective", "LatencyObjective", "LookupObjective", "ServiceObjective",
    }  # fmt: skip
    assert {(line.what, round(line.amount, 6)) for line in found} == {("2 signals every 60 s", 0.0876)}


def test_the_service_writes_as_many_metrics_as_are_assumed() -> None:
    assert Usage().custom_metrics == len(emf.METRICS)


@pytest.mark.parametrize("name", ["account", "dev", "local", "prod"])
def test_what_is_not_priced_is_named_and_nothing_else_is_left_out(name: str) -> None:
    found = bill_of(name)
    named = {(one.stack, one.why.split(" (")[0].split(":")[0]) for one in found.not_priced}
    assert (
        named
        == {
            "account": set(),
            "dev": {("service", "Container Insights")},
            "local": {("service", "Container Insights")},
            "prod": {("service", "Container Insights")},
        }[name]
    )


def test_every_type_of_the_templates_is_free_or_priced_and_not_both(
    templates: dict[str, dict[str, Any]],
) -> None:
    assert not parts.FREE & set(parts.PRICED)
    types = {item["Type"] for template in templates.values() for item in template["Resources"].values()}
    assert types <= parts.FREE | set(parts.PRICED)
