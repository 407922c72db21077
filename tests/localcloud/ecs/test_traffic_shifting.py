"""Blue/green, canary and linear deployments on a started cloud: traffic moves by weights, nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_harness import NETWORK, LocalCloud, until

from tests.localcloud.ecs.shifting_harness import BREAKER, Shifting, asking


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute passes in a second, in the clouds that are started after this."""
    monkeypatch.setenv("LOCAL_SPEED", "60")


@pytest.fixture
def shifting(hurried: None, cloud: LocalCloud) -> Shifting:
    return Shifting(cloud)


def _alarm(cloud: LocalCloud, state: str = "") -> None:
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    if state:
        cloudwatch.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="a test says so")


ALARMS = {"alarmNames": ["errors"], "enable": True, "rollback": True}


def test_blue_green_takes_turns_and_loses_no_request(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    # Were there a bake time for the first deployment, an hour would take a minute.
    shifting.create(
        cloud.task_definition(image, VERSION="one"), 2, strategy="BLUE_GREEN", bakeTimeInMinutes=60
    )
    assert shifting.weights() == (100, 0)
    config = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}
    with asking(cloud) as answers:
        shifting.update(cloud.task_definition(image, VERSION="two"), deploymentConfiguration=config)
        until(lambda: len(cloud.tasks()) == 4)
        shifting.at("BAKE_TIME")
        assert shifting.weights() == (0, 100)
        assert shifting.answers() == shifting.answers("/next/") == b"two"
        service = cloud.described()
        assert [(d["status"], d["desiredCount"]) for d in service["deployments"]] == [
            ("PRIMARY", 2), ("ACTIVE", 2),
        ]  # fmt: skip
        assert len(cloud.tasks()) == 4
        cloud.stable(2)
    assert {status for status, _ in answers} == {200}
    assert {body for _, body in answers} == {b"one", b"two"}
    last = shifting.last()
    assert (last["status"], last["lifecycleStage"]) == ("SUCCESSFUL", "CLEAN_UP")
    with asking(cloud) as answers:
        shifting.update(cloud.task_definition(image, VERSION="three"))
        until(lambda: shifting.last()["status"] == "SUCCESSFUL" and shifting.answers() == b"three")
        cloud.stable(2)
    assert {status for status, _ in answers} == {200}
    assert shifting.weights() == shifting.weights(shifting.test_rule) == (100, 0)
    until(lambda: len(cloud.processes()) == 2)


def test_a_canary_gets_its_share_first(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    canary = {"canaryPercent": 30.0, "canaryBakeTimeInMinutes": 5}
    shifting.create(
        cloud.task_definition(image, VERSION="one"), strategy="CANARY", canaryConfiguration=canary,
        bakeTimeInMinutes=0,
    )  # fmt: skip
    with asking(cloud) as answers:
        shifting.update(cloud.task_definition(image, VERSION="two"))
        shifting.at("PRODUCTION_TRAFFIC_SHIFT")
        assert shifting.weights() == (70, 30)
        until(lambda: shifting.weights() == (0, 100))
        meanwhile = [body for _, body in answers]
        cloud.stable(1)
    assert {status for status, _ in answers} == {200}
    first = meanwhile.index(b"two")
    assert meanwhile[first:].count(b"one") > meanwhile[first:].count(b"two") > 0


def test_a_linear_deployment_goes_step_by_step(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    linear = {"stepPercent": 40.0, "stepBakeTimeInMinutes": 3}
    shifting.create(
        cloud.task_definition(image), strategy="LINEAR", linearConfiguration=linear, bakeTimeInMinutes=0
    )
    shifting.update(cloud.task_definition(image))
    for green in (40, 80, 100):
        until(lambda green=green: shifting.weights() == (100 - green, green))
    cloud.stable(1)


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "CANARY"])
def test_new_tasks_that_never_get_healthy_get_no_traffic(shifting: Shifting, strategy: str) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    good = cloud.task_definition(image, VERSION="one")
    shifting.create(good, strategy=strategy, deploymentCircuitBreaker=BREAKER)
    with asking(cloud) as answers:
        shifting.update(cloud.task_definition(image, MODE="exits"))
        until(lambda: shifting.last()["status"] == "ROLLBACK_SUCCESSFUL")
    assert set(answers) == {(200, b"one")}
    assert shifting.weights() == (100, 0)
    last = shifting.last()
    assert "circuit breaker threshold was exceeded" in last["statusReason"]
    assert last["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    assert last["rollback"]["serviceRevisionArn"] == last["sourceServiceRevisions"][0]["arn"]
    assert cloud.stable(1)["taskDefinition"] == good


def test_an_alarm_during_the_bake_time_sends_all_traffic_back(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    _alarm(cloud)
    good = cloud.task_definition(image, VERSION="one")
    shifting.create(good, strategy="BLUE_GREEN", bakeTimeInMinutes=600, alarms=ALARMS)
    with asking(cloud) as answers:
        shifting.update(cloud.task_definition(image, VERSION="two"))
        shifting.at("BAKE_TIME")
        assert shifting.last()["alarms"]["status"] == "MONITORING"
        _alarm(cloud, "ALARM")
        until(lambda: shifting.weights() == (100, 0))
        until(lambda: shifting.last()["status"] == "ROLLBACK_SUCCESSFUL")
    assert {status for status, _ in answers} == {200}
    assert {body for _, body in answers} == {b"one", b"two"}
    assert shifting.weights(shifting.test_rule) == (100, 0)
    assert cloud.stable(1)["taskDefinition"] == good
    assert any("deployment failed: alarm detected." in e["message"] for e in cloud.described()["events"])


def test_an_alarm_that_is_there_already_is_not_watched(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    shifting.create(cloud.task_definition(image), strategy="BLUE_GREEN", bakeTimeInMinutes=1, alarms=ALARMS)
    _alarm(cloud, "ALARM")
    shifting.update(mend := cloud.task_definition(image, VERSION="mended"))
    assert cloud.stable(1)["taskDefinition"] == mend
    assert shifting.answers() == b"mended"
    assert shifting.last()["alarms"]["status"] == "DISABLED"


def test_a_deployment_that_is_overtaken_gives_its_traffic_back(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    shifting.create(cloud.task_definition(image, VERSION="one"), strategy="BLUE_GREEN", bakeTimeInMinutes=600)
    with asking(cloud) as answers:
        shifting.update(cloud.task_definition(image, VERSION="two"))
        shifting.at("BAKE_TIME")
        shifting.update(
            cloud.task_definition(image, VERSION="three"),
            deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1},
        )
        until(lambda: shifting.weights() == (100, 0))
        cloud.stable(1)
    assert {status for status, _ in answers} == {200}
    assert shifting.weights() == (0, 100)
    assert shifting.answers() == b"three"
    deployments = cloud.client("ecs").list_service_deployments(cluster="c", service="s")["serviceDeployments"]
    assert [d["status"] for d in deployments] == ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"]


def test_strategies_can_be_switched_without_a_gap(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    shifting.create(cloud.task_definition(image, VERSION="one"), strategy="ROLLING")
    expected = [
        ("BLUE_GREEN", b"two", (0, 100)),
        ("ROLLING", b"three", (0, 100)),
        ("CANARY", b"four", (100, 0)),
    ]
    with asking(cloud) as answers:
        for strategy, version, weights in expected:
            before = cloud.tasks()
            config: dict[str, Any] = {"strategy": strategy, "bakeTimeInMinutes": 1}
            if strategy == "CANARY":
                config["canaryConfiguration"] = {"canaryPercent": 50.0, "canaryBakeTimeInMinutes": 1}
            cloud.client("ecs").update_service(cluster="c", service="s", deploymentConfiguration=config)
            assert len(cloud.described()["deployments"]) == 1
            assert cloud.tasks() == before
            shifting.update(cloud.task_definition(image, VERSION=version.decode()))
            cloud.stable(1)
            assert shifting.weights() == weights
            assert shifting.answers() == version
    assert {status for status, _ in answers} == {200}


def test_one_update_that_brings_strategy_and_rules_can_be_undone(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    _alarm(cloud)
    plain = [{k: v for k, v in lb.items() if k != "advancedConfiguration"} for lb in shifting.balancers()]
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.create_service(
        cluster="c", serviceName="s", taskDefinition=cloud.task_definition(image, VERSION="one"),
        desiredCount=1, launchType="FARGATE", loadBalancers=plain, networkConfiguration=NETWORK,
    )  # fmt: skip
    cloud.stable(1)
    with asking(cloud) as answers:
        shifting.update(
            cloud.task_definition(image, VERSION="two"), loadBalancers=shifting.balancers(),
            deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 600, "alarms": ALARMS},
        )  # fmt: skip
        shifting.at("BAKE_TIME")
        assert shifting.weights() == (0, 100)
        _alarm(cloud, "ALARM")
        until(lambda: shifting.last()["status"] == "ROLLBACK_SUCCESSFUL")
    assert {status for status, _ in answers} == {200}
    assert shifting.weights() == (100, 0)
    assert cloud.stable(1)["loadBalancers"] == plain


def test_a_killed_cloud_goes_on_with_a_deployment(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    shifting.create(cloud.task_definition(image, VERSION="one"), strategy="BLUE_GREEN", bakeTimeInMinutes=10)
    shifting.update(cloud.task_definition(image, VERSION="two"))
    shifting.at("BAKE_TIME")
    cloud.kill()
    until(lambda: cloud.processes() == [])
    cloud.up()
    until(lambda: len(cloud.processes()) == 2)
    cloud.stable(1)
    assert shifting.weights() == (0, 100)
    until(lambda: cloud.get("/") == (200, b"two"))


def test_rules_that_do_not_fit_fail_the_deployment(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    good = cloud.task_definition(image, VERSION="one")
    shifting.create(good, strategy="BLUE_GREEN", bakeTimeInMinutes=0)
    groups = [{"TargetGroupArn": arn, "Weight": 1} for arn in (shifting.blue, shifting.green)]
    cloud.client("elbv2").modify_rule(
        RuleArn=shifting.rule, Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]
    )
    shifting.update(cloud.task_definition(image, VERSION="two"))
    until(lambda: shifting.last()["status"] == "ROLLBACK_SUCCESSFUL")
    assert "exactly one target group serving traffic but found 2" in shifting.last()["statusReason"]
    assert shifting.weights() == (1, 1)
    assert cloud.stable(1)["taskDefinition"] == good


def test_a_rule_that_is_gone_fails_the_deployment(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    good = cloud.task_definition(image, VERSION="one")
    canary = {"canaryPercent": 1.0, "canaryBakeTimeInMinutes": 5}
    shifting.create(good, strategy="CANARY", canaryConfiguration=canary)
    shifting.update(cloud.task_definition(image, VERSION="two"))
    shifting.at("PRODUCTION_TRAFFIC_SHIFT")
    cloud.client("elbv2").delete_rule(RuleArn=shifting.rule)
    until(lambda: shifting.last()["status"] == "ROLLBACK_SUCCESSFUL")
    assert "One or more rules not found" in shifting.last()["statusReason"]
    assert any("could not be sent back" in e["message"] for e in cloud.described()["events"])
    assert cloud.stable(1)["taskDefinition"] == good


def test_going_back_can_be_overtaken(shifting: Shifting) -> None:
    cloud, image = shifting.cloud, shifting.cloud.push()
    _alarm(cloud)
    config: dict[str, Any] = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1, "alarms": ALARMS}
    shifting.create(cloud.task_definition(image, VERSION="one"), **config)
    shifting.update(cloud.task_definition(image, VERSION="two"))
    until(lambda: shifting.last()["status"] == "SUCCESSFUL")
    slow = cloud.task_definition(image, stop_timeout=4, MODE="stubborn", VERSION="three")
    with asking(cloud) as answers:
        shifting.update(slow, deploymentConfiguration={**config, "bakeTimeInMinutes": 600})
        shifting.at("BAKE_TIME")
        assert shifting.weights() == (100, 0)
        _alarm(cloud, "ALARM")
        until(lambda: shifting.weights() == (0, 100))
        # Its task takes its time to leave: the way back is not over yet.
        assert shifting.last()["status"] == "ROLLBACK_IN_PROGRESS"
        shifting.update(cloud.task_definition(image, VERSION="four"), deploymentConfiguration=config)
        cloud.stable(1)
    assert {status for status, _ in answers} == {200}
    assert shifting.answers() == b"four"
    assert shifting.weights() == (100, 0)


def test_a_rolling_deployment_bakes_and_goes_back_on_an_alarm(hurried: None, cloud: LocalCloud) -> None:
    image = cloud.push()
    _alarm(cloud)
    good = cloud.task_definition(image, VERSION="one")
    cloud.service(good, cloud.balancer(), count=1)
    cloud.stable(1)
    config = {"bakeTimeInMinutes": 600, "alarms": ALARMS}
    with asking(cloud) as answers:
        cloud.client("ecs").update_service(
            cluster="c", service="s", taskDefinition=cloud.task_definition(image, VERSION="two"),
            deploymentConfiguration=config,
        )  # fmt: skip
        until(lambda: {body for _, body in answers[-20:]} == {b"two"})
        until(lambda: len(cloud.tasks()) == 1)
        service = cloud.described()
        assert [d["rolloutState"] for d in service["deployments"]] == ["IN_PROGRESS"]
        _alarm(cloud, "ALARM")
        until(lambda: cloud.described()["taskDefinition"] == good)
        cloud.stable(1)
    assert {status for status, _ in answers} == {200}
    assert cloud.get("/") == (200, b"one")


def test_a_failed_deployment_that_is_not_rolled_back_goes_on_serving(
    hurried: None, cloud: LocalCloud
) -> None:
    _alarm(cloud)
    image = cloud.push()
    cloud.service(cloud.task_definition(image, VERSION="one"), cloud.balancer(), count=1)
    cloud.stable(1)
    alarms = {**ALARMS, "rollback": False}
    cloud.client("ecs").update_service(
        cluster="c", service="s", taskDefinition=cloud.task_definition(image, VERSION="two"),
        deploymentConfiguration={"bakeTimeInMinutes": 600, "alarms": alarms},
    )  # fmt: skip
    until(lambda: cloud.get("/") == (200, b"two") and len(cloud.tasks()) == 1)
    _alarm(cloud, "ALARM")
    until(lambda: cloud.described()["deployments"][0]["rolloutState"] == "FAILED")
    assert cloud.get("/") == (200, b"two")
    assert len(cloud.tasks()) == 1
