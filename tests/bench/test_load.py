"""The operator's side of the load: what is due when, what is judged how, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.load import goals, objectives
from bench.load.__main__ import main
from bench.load.objectives import judge
from bench.load.profiles import PROFILES, Schedule
from bench.load.recorder import DifferentError, Recorder
from stack.aws.clients import Cloud
from stack.files import environment
from tests.stack import services

ROOT = Path(__file__).resolve().parents[2]


def within(times: Iterable[float], begin: float, end: float) -> int:
    return sum(begin <= time < end for time in times)


@pytest.mark.parametrize("name", PROFILES)
def test_requests_are_due_one_after_the_other_within_the_time(name: str) -> None:
    schedule = Schedule(PROFILES[name], 50, 30)
    times = [schedule.due(number) for number in range(schedule.requests)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] < 30
    assert schedule.due(schedule.requests) == float("inf")
    rates = [within(times, second, second + 1) for second in range(30)]
    assert max(rates) <= 51, "never faster than asked for"


def test_the_rate_follows_the_profile() -> None:
    steady = Schedule(PROFILES["steady"], 10, 30)
    assert (steady.requests, steady.due(0), steady.due(150)) == (300, 0, 15)
    ramp = Schedule(PROFILES["ramp"], 20, 30)
    assert ramp.requests == 330
    times = [ramp.due(number) for number in range(ramp.requests)]
    assert within(times, 0, 15) * 2 < within(times, 15, 30)
    spike = Schedule(PROFILES["spike"], 50, 30)
    times = [spike.due(number) for number in range(spike.requests)]
    assert (within(times, 0, 10), within(times, 20, 30)) == (100, 100)
    assert within(times, 10, 20) == 500


def test_objectives_are_kept_to_the_last_request() -> None:
    counts = {"requests": 1000, "failed": 1, "slow": 10, "different": 0}
    assert [(one.name, one.measured, one.kept) for one in judge(counts, 99.9, 500)] == [
        ("availability", 99.9, True),
        ("latency", 99.0, True),
        ("correctness", 100.0, True),
    ]
    assert not any(
        one.kept for one in judge({"requests": 1000, "failed": 2, "slow": 11, "different": 1}, 99.9, 500)
    )
    assert not any(one.kept for one in judge(dict.fromkeys(counts, 0), 99.9, 500)), (
        "nothing measured, nothing kept"
    )


def test_the_objectives_are_those_of_the_documentation() -> None:
    page, wanted = (ROOT / "docs" / "operations.md").read_text(), goals.chosen({})
    words = (
        f"{wanted.availability_percent:g} % of requests, {objectives.LATENCY_PERCENT:g} % within "
        f"{wanted.latency_ms:g} ms, and {objectives.CORRECTNESS_PERCENT:g} % of echoes equal"
    )
    assert words in " ".join(page.split())


@pytest.mark.parametrize(
    ("deployed", "file", "wanted"),
    [
        ({"AvailabilityGoal": "99.5", "LatencyMs": "250"}, {"LatencyMs": "300"}, (99.5, 250)),
        (None, {"LatencyMs": "300"}, (99.9, 300)),
        (None, {}, (99.9, 500)),
    ],
    ids=["deployed", "file", "default"],
)
def test_a_run_is_held_to_the_goals_of_its_environment(
    monkeypatch: pytest.MonkeyPatch,
    deployed: dict[str, str] | None,
    file: dict[str, str],
    wanted: tuple[float, float],
) -> None:
    loaded = environment.load(ROOT, "local")
    cloud = Cloud(replace(loaded, parameters={**loaded.parameters, "slo": file}))
    found = deployed and replace(services.STACK, name="slo", parameters=deployed)
    asked: list[str] = []
    monkeypatch.setattr(goals.stacks, "describe", lambda _, name: asked.append(name) or found)
    assert goals.of(cloud) == goals.Goals(*wanted)
    assert asked == ["echo-room-local-slo"]


def test_an_environment_without_the_stack_is_held_to_the_templates_goals() -> None:
    assert goals.of(Cloud(environment.load(ROOT, "dev"))) == goals.chosen({})


def test_the_recorder_tells_failures_apart() -> None:
    recorder = Recorder(slow_ms=500)
    recorder.record(0.1, "POST /echo", 499.9, None)
    recorder.record(0.2, "POST /echo", 500.0, None)
    recorder.record(0.3, "POST /echo", 1.0, OSError("answered 503"))
    recorder.record(0.4, "POST /echo", 1.0, DifferentError("another string came back"))
    assert recorder.counts == {"requests": 4, "failed": 1, "different": 1, "slow": 1}
    view = recorder.view(0.5)
    assert (view["requests"], view["failures"], view["rate"], view["p99"]) == (4, 2, 8.0, 500.0)
    assert recorder.view(20.5)["p99"] == 0.0, "nothing came lately"
    for number in range(100):
        recorder.record(21, str(number), 1.0, OSError("down"))
    assert len(recorder.reasons) <= 51


def test_help_says_what_there_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert all(name in done.stdout for name in PROFILES)
    assert "exit codes" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "local"),
        (["--env", "nowhere"], 2, 'no environment "nowhere"'),
        (["--env", "prod"], 3, "load_rate = 50"),
        (["--env", "account"], 3, "load_rate"),
        (["--env", "local", "--profile", "stampede"], 2, "steady, ramp, spike, soak"),
        (["--env", "local", "--rate", "51"], 3, "allows 50 requests a second, not 51"),
        (["--env", "local", "--rate", "many"], 2, "RATE has to be a number"),
        (["--env", "local", "--rate", "nan"], 2, "RATE has to be a number"),
        (["--env", "local", "--seconds", "0"], 2, "SECONDS has to be a number from 1 to 86400"),
        (["--env", "local", "--rate", "0.1", "--seconds", "5"], 2, "not even one"),
        (["--env", "local", "--fault-share", "0"], 2, "percentage"),
        (["--env", "local", "--report", "no/such/folder/x.html"], 2, "cannot be written"),
        (["--env", "local", "--locust", "/no/python"], 1, "make load"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
