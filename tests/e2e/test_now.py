"""What runs now, asked of real tasks: what they wrote, how they are, and the tokens they take."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.another import client, outside
from tests.e2e.checkout import ROOT, Checkout
from tests.e2e.readme import readme_command

pytestmark = pytest.mark.serial


def status_of_an_echo(place: Checkout, token: str) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{place.http_port}/echo",
        b'{"str": "x"}',
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path_factory.mktemp("now"), engine=False)
    try:
        checkout.succeed("make create ENV=local")
        yield checkout
    finally:
        checkout.run("make local-reset YES=1")


def test_what_runs_now(place: Checkout) -> None:
    token = place.succeed("make -s token ENV=local NAME=now").strip().removeprefix("export TOKEN=")
    assert status_of_an_echo(place, token) == 200

    until(lambda: [state[:7] for state in outside(place).values()] == ["Success"] * 2)
    assert set(outside(place)) == {"/healthz", "/healthz/echo"}

    (service,) = json.loads(place.succeed("make -s tasks ENV=local JSON=1"))
    assert {task["target"] for task in service["tasks"]} == {"healthy"}
    assert {task["health"] for task in service["tasks"]} <= {"HEALTHY", "UNKNOWN"}
    ids = {task["id"] for task in service["tasks"]}

    lines = place.succeed("make -s logs ENV=local JSON=1").splitlines()
    echoes = [
        line
        for line in map(json.loads, lines)
        if isinstance(line["message"], dict) and line["message"].get("path") == "/echo"
    ]
    assert [line["message"]["status"] for line in echoes] == [200]
    assert {line["task"] for line in echoes} < ids
    # A term with a character that is no letter, digit or _ stands in quotation marks, as CloudWatch wants it.
    found = place.succeed("""make logs ENV=local FILTER='"/echo"'""").splitlines()
    (shown,) = [line for line in found if "POST" in line]
    assert echoes[0]["task"][:8] in shown
    assert token not in "".join(lines)

    (made,) = [
        one for one in json.loads(place.succeed("make -s tokens ENV=local JSON=1")) if one["name"] == "now"
    ]
    place.succeed(f"make revoke-token ENV=local ID={made['id']}")
    assert "revoked" in place.succeed("make tokens ENV=local")

    drilled = place.succeed(readme_command("make drill"))
    assert drilled.count(" pass ") == 2, drilled
    assert "No drill failed" in drilled
    # Whether the latency is kept is the machine's affair; no request may fail.
    judged = place.run(readme_command("make load")).stdout
    assert "availability: kept" in judged
    assert "correctness: kept" in judged
    place.succeed(readme_command("make dashboard"))
    assert (place.root / "dashboard.png").read_bytes().startswith(b"\x89PNG")

    assert "No drift" in place.succeed("make drift ENV=local")
    assert "no sessions" in place.fail("make exec ENV=local")


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < deadline, "not within two minutes"
        time.sleep(0.5)
    return found


def alarm_changes(place: Checkout, stack: str, name: str) -> list[str]:
    """The states that an alarm has come to, the first first."""
    cloudwatch = client(place, "cloudwatch")
    (alarm,) = cloudwatch.describe_alarms(AlarmNamePrefix=f"echo-room-local-{stack}-{name}-")["MetricAlarms"]
    items = cloudwatch.describe_alarm_history(
        AlarmName=alarm["AlarmName"], HistoryItemType="StateUpdate", ScanBy="TimestampAscending"
    )["AlarmHistoryItems"]
    return [json.loads(item["HistoryData"])["newState"]["stateValue"] for item in items]


def test_the_scheduled_probe_finds_what_is_wrong_and_holds_no_deletion(place: Checkout) -> None:
    endpoint = f"http://127.0.0.1:{place.gateway_port}"
    python = f"{ROOT}/.venv/bin/python -m localcloud"
    place.succeed(f"{python} down --endpoint {endpoint}")
    place.succeed(f"{python} up --endpoint {endpoint}", LOCAL_SPEED="60")
    elbv2, ecs, events = (client(place, service) for service in ("elbv2", "ecs", "events"))
    outputs = json.loads(place.succeed("make -s outputs ENV=local JSON=1"))
    cluster = outputs["service"]["ClusterName"]
    (listener,) = elbv2.describe_listeners(
        LoadBalancerArn=elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    )["Listeners"]
    rules = elbv2.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    (rule,) = [one for one in rules if one["Priority"] == "100"]
    (name,) = [one["Name"] for one in events.list_rules()["Rules"] if "-probe-Schedule" in one["Name"]]

    def probes(status: str) -> list[Any]:
        arns = ecs.list_tasks(cluster=cluster, desiredStatus=status, startedBy=f"events-rule/{name}")[
            "taskArns"
        ]
        return list(ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]) if arns else []

    def logged(words: str) -> bool:
        found = client(place, "logs").filter_log_events(
            logGroupName=outputs["service"]["LogGroupName"], filterPattern=f'"{words}"'
        )
        return bool(found["events"])

    wrong = {"StatusCode": "200", "ContentType": "application/json", "MessageBody": '{"str": "not yours"}'}
    elbv2.modify_rule(
        RuleArn=rule["RuleArn"], Actions=[{"Type": "fixed-response", "FixedResponseConfig": wrong}]
    )
    events.put_rule(Name=name, ScheduleExpression="rate(5 minutes)")
    until(lambda: logged("46 different"))
    events.disable_rule(Name=name)
    elbv2.modify_rule(
        RuleArn=rule["RuleArn"],
        Actions=[{"Type": "forward", "ForwardConfig": rule["Actions"][0]["ForwardConfig"]}],
    )
    for told in ("ProbeAlarm", "RefusalAlarm"):
        until(lambda told=told: "ALARM" in alarm_changes(place, "probe", told))
    task = until(lambda: probes("STOPPED"))[0]
    assert (task["containers"][0]["exitCode"], task["group"]) == (1, "family:echo-room-local-service")
    metrics = client(place, "cloudwatch").list_metrics(Namespace="EchoRoom")["Metrics"]
    found = {one["MetricName"] for one in metrics}
    assert {"ProbeEchoes", "ProbeMismatches", "ProbeRefusalsMissed", "RevocationDelay"} <= found
    for stack, calm in (("probe", "RevocationAlarm"), ("monitoring", "CorrectnessAlarm")):
        assert "ALARM" not in alarm_changes(place, stack, calm)

    # One that runs, as its revoked token is still known for a minute.
    events.enable_rule(Name=name)
    until(lambda: logged("0 different"))
    until(lambda: logged("5 to be refused, 0 let through, 0 neither"))
    said = place.run("make delete ENV=local")
    assert said.returncode == 0, said.stderr
    assert f"of no service in {cluster} (events-rule/{name}) first" in " ".join(said.stderr.split())
