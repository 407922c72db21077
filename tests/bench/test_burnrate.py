"""The alarms of slo.yaml ring for the right incidents, and docs/slo.md says after how long."""

from pathlib import Path

import pytest

from bench import burnrate
from bench.burnrate import Incident

PAGE = Path(__file__).parents[2] / "docs" / "slo.md"


@pytest.fixture(scope="module")
def resources():
    return burnrate.template()


def rung(incident, resources):
    return {one.alarm: one for one in burnrate.simulate(incident, resources)}


def test_the_page_has_the_table_of_the_command():
    assert burnrate.table() in PAGE.read_text(), "paste what python -m bench.burnrate prints"


@pytest.mark.parametrize("incident", [Incident("", 30, bad=1.0), Incident("", 30, no_tasks=True)])
def test_an_outage_pages_at_once_and_ends_soon_after(incident, resources):
    found = rung(incident, resources)
    assert found["AvailabilityPage"].after <= 2
    assert found["AvailabilityPage"].over <= 30
    assert "LatencyPage" not in found


def test_a_slow_burn_makes_a_ticket_and_wakes_nobody(resources):
    found = rung(Incident("", 1440, bad=0.004), resources)
    assert found.keys() == {"AvailabilityTicket"}
    # 0.4 % of a day's requests are 0.3 % of them after eighteen hours: three times the budget's rate.
    assert found["AvailabilityTicket"].after == 18 * 60


def test_what_the_objective_allows_is_silent(resources):
    assert not rung(Incident("", 5760, bad=0.0009, slow=0.009), resources)


def test_a_brief_blip_is_silent(resources):
    assert not rung(Incident("", 1, bad=0.05, slow=0.3), resources)


def test_one_error_at_night_wakes_nobody_and_would_without_a_minimum(resources):
    night = Incident("", 60, bad=0.1, a_minute=1 / 6)
    assert not rung(night, resources)
    assert "AvailabilityPage" in rung(night, burnrate.template(FewestErrors="1"))


def test_late_answers_ring_by_their_share(resources):
    assert not rung(Incident("", 5760, slow=0.009), resources)
    assert rung(Incident("", 5760, slow=0.015), resources).keys() == {"LatencyTicket"}
    assert "LatencyPage" in rung(Incident("", 600, slow=0.08), resources)


def test_another_goal_is_another_budget(resources):
    incident = Incident("", 600, bad=0.008)
    assert "AvailabilityPage" in rung(incident, resources)
    assert not rung(incident, burnrate.template(AvailabilityGoal="99"))
