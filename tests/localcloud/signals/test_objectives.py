"""Service level objectives: through stacks and the API, with budgets of metrics that clients put."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Cloud

TYPE = "AWS::ApplicationSignals::ServiceLevelObjective"


def counted(name: str, case: str) -> list[dict[str, Any]]:
    metric = {"Namespace": "Slo", "MetricName": name, "Dimensions": [{"Name": "Case", "Value": case}]}
    return [{"Id": "m1", "ReturnData": True, "MetricStat": {"Stat": "Sum", "Period": 60, "Metric": metric}}]


def requests_of(case: str, goal: float = 90) -> dict[str, Any]:
    return {
        "Name": case,
        "RequestBasedSliConfig": {"RequestBasedSliMetricConfig": {
            "TotalRequestCountMetric": counted("Requests", case),
            "MonitoredRequestCountMetric": {"BadCountMetric": counted("Failures", case)},
        }},
        "Goal": {"AttainmentGoal": goal, "WarningThreshold": 50,
                 "Interval": {"RollingInterval": {"DurationUnit": "DAY", "Duration": 30}}},
    }  # fmt: skip


def put(cloud: Cloud, case: str, **values: float) -> None:
    data = [{"MetricName": name, "Value": value, "Dimensions": [{"Name": "Case", "Value": case}]}
            for name, value in values.items()]  # fmt: skip
    cloud.client("cloudwatch").put_metric_data(Namespace="Slo", MetricData=data)


def report(cloud: Cloud, name: str) -> dict[str, Any]:
    found = cloud.client("application-signals").batch_get_service_level_objective_budget_report(
        Timestamp=datetime.now(UTC), SloIds=[name]
    )
    assert found["Errors"] == []
    (only,) = found["Reports"]
    return dict(only)


def test_a_request_based_budget_shrinks_with_each_failure(quick_cloud: Cloud) -> None:
    slos = quick_cloud.client("application-signals")
    made = slos.create_service_level_objective(**requests_of("requests"))["Slo"]
    assert made["EvaluationType"] == "RequestBased"
    assert report(quick_cloud, "requests")["BudgetStatus"] == "INSUFFICIENT_DATA"
    put(quick_cloud, "requests", Requests=100, Failures=2)
    first = report(quick_cloud, made["Arn"])
    assert (first["BudgetStatus"], first["TotalBudgetRequests"], first["BudgetRequestsRemaining"]) == (
        "OK",
        10,
        8,
    )
    assert first["Attainment"] == pytest.approx(98)
    put(quick_cloud, "requests", Failures=4)
    assert report(quick_cloud, "requests")["BudgetStatus"] == "WARNING"
    put(quick_cloud, "requests", Failures=6)
    last = report(quick_cloud, "requests")
    assert (last["BudgetStatus"], last["BudgetRequestsRemaining"]) == ("BREACHED", -2)
    put(quick_cloud, "requests", Requests=1000)
    assert report(quick_cloud, "requests")["BudgetStatus"] == "OK", "more good requests, more budget"


def test_a_period_based_budget_loses_whole_periods(quick_cloud: Cloud) -> None:
    slos = quick_cloud.client("application-signals")
    slos.create_service_level_objective(
        Name="periods",
        SliConfig={"SliMetricConfig": {"MetricDataQueries": counted("Latency", "periods")},
                   "MetricThreshold": 100, "ComparisonOperator": "LessThanOrEqualTo"},
        Goal={"AttainmentGoal": 99, "Interval": {"RollingInterval": {"DurationUnit": "HOUR", "Duration": 5}}},
    )  # fmt: skip
    put(quick_cloud, "periods", Latency=50)
    calm = report(quick_cloud, "periods")
    assert (calm["TotalBudgetSeconds"], calm["BudgetSecondsRemaining"]) == (180, 180)
    assert (calm["BudgetStatus"], calm["Attainment"]) == ("OK", 100)
    put(quick_cloud, "periods", Latency=500)
    slow = report(quick_cloud, "periods")
    assert slow["BudgetSecondsRemaining"] in (60, 120), "one period, or the one before it as well"
    assert slow["Attainment"] < 100


def test_burn_rates_and_attainment_are_metrics(quick_cloud: Cloud, until: Callable[..., None]) -> None:
    slos, cloudwatch = quick_cloud.client("application-signals"), quick_cloud.client("cloudwatch")
    slos.create_service_level_objective(
        **requests_of("burning"), BurnRateConfigurations=[{"LookBackWindowMinutes": 600}]
    )
    put(quick_cloud, "burning", Requests=100, Failures=20)

    def values(name: str, **dimensions: str) -> list[float]:
        named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/ApplicationSignals", MetricName=name, Dimensions=named, Period=60,
            Statistics=["Maximum"], StartTime=time.time() - 600, EndTime=time.time() + 1,
        )["Datapoints"]  # fmt: skip
        return [point["Maximum"] for point in points]

    until(lambda: values("BurnRate", SloName="burning", BurnRateWindowMinutes="600"))
    assert values("BurnRate", SloName="burning", BurnRateWindowMinutes="600")[0] == pytest.approx(2)
    assert values("AttainmentRate", SloName="burning")[0] == pytest.approx(80)


def test_they_are_listed_changed_tagged_and_deleted(quick_cloud: Cloud) -> None:
    slos = quick_cloud.client("application-signals")
    for name in ("list-a", "list-b", "list-c"):
        slos.create_service_level_objective(**requests_of(name), Tags=[{"Key": "k", "Value": name}])
    pages = slos.get_paginator("list_service_level_objectives").paginate(PaginationConfig={"PageSize": 2})
    listed = [slo["Name"] for page in pages for slo in page["SloSummaries"]]
    assert [name for name in listed if name.startswith("list-")] == ["list-a", "list-b", "list-c"]
    elsewhere = slos.list_service_level_objectives(KeyAttributes={"Type": "Service", "Name": "x"})
    assert elsewhere["SloSummaries"] == []
    arn = slos.get_service_level_objective(Id="list-a")["Slo"]["Arn"]
    changed = slos.update_service_level_objective(Id=arn, Goal={"AttainmentGoal": 95})["Slo"]
    assert (changed["Goal"]["AttainmentGoal"], changed["Description"]) == (95, "No description")
    assert changed["RequestBasedSli"]["RequestBasedSliMetric"]["TotalRequestCountMetric"][0]["Id"] == "m1"
    slos.tag_resource(ResourceArn=arn, Tags=[{"Key": "more", "Value": "1"}])
    slos.untag_resource(ResourceArn=arn, TagKeys=["k"])
    assert slos.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "more", "Value": "1"}]
    slos.delete_service_level_objective(Id="list-a")
    with pytest.raises(slos.exceptions.ResourceNotFoundException, match="list-a"):
        slos.get_service_level_objective(Id=arn)
    missing = slos.batch_get_service_level_objective_budget_report(Timestamp=time.time(), SloIds=["list-a"])
    assert [error["ErrorCode"] for error in missing["Errors"]] == ["ResourceNotFoundException"]
    with pytest.raises(slos.exceptions.ConflictException, match="list-b"):
        slos.create_service_level_objective(**requests_of("list-b"))


@pytest.mark.parametrize(("wrong", "words"), [
    ({"RequestBasedSliConfig": None}, "exactly one of SliConfig"),
    ({"Goal": {"AttainmentGoal": 100}}, "AttainmentGoal"),
    ({"BurnRateConfigurations": [{"LookBackWindowMinutes": 10080}], "Goal": {}}, "look-back"),
    ({"RequestBasedSliConfig": {"RequestBasedSliMetricConfig": {"KeyAttributes": {"Type": "Service"}}}},
     "KeyAttributes"),
    ({"RequestBasedSliConfig": {"RequestBasedSliMetricConfig": {
        "TotalRequestCountMetric": [{"Id": "e1", "Expression": "1"}],
        "MonitoredRequestCountMetric": {"BadCountMetric": counted("x", "x")}}}}, "names no metric"),
])  # fmt: skip
def test_what_cannot_be_measured_is_refused(quick_cloud: Cloud, wrong: dict[str, Any], words: str) -> None:
    slos = quick_cloud.client("application-signals")
    given = {key: value for key, value in {**requests_of("wrong"), **wrong}.items() if value is not None}
    with pytest.raises(ClientError, match=words):
        slos.create_service_level_objective(**given)


def template(case: str, goal: float, name: str = "") -> dict[str, Any]:
    metric = requests_of(case)["RequestBasedSliConfig"]["RequestBasedSliMetricConfig"]
    properties = {
        "Name": name or case, "RequestBasedSli": {"RequestBasedSliMetric": metric},
        "Goal": {"AttainmentGoal": goal,
                 "Interval": {"RollingInterval": {"DurationUnit": "DAY", "Duration": 28}}},
        "BurnRateConfigurations": [{"LookBackWindowMinutes": 60}],
        "Tags": [{"Key": "owner", "Value": "us"}],
    }  # fmt: skip
    return {
        "Resources": {"Slo": {"Type": TYPE, "Properties": properties}},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Slo", "Arn"]}},
                    "Kind": {"Value": {"Fn::GetAtt": ["Slo", "EvaluationType"]}}},
    }  # fmt: skip


def test_a_stack_makes_changes_replaces_and_deletes_one(quick_cloud: Cloud) -> None:
    slos = quick_cloud.client("application-signals")
    stack = quick_cloud.deploy("slo", template("of-stack", 99.9))
    assert stack["StackStatus"] == "CREATE_COMPLETE", quick_cloud.failures("slo")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs["Kind"] == "RequestBased"
    assert outputs["Arn"].endswith(":slo/of-stack")
    assert slos.list_tags_for_resource(ResourceArn=outputs["Arn"])["Tags"][0]["Key"] == "owner"
    change = quick_cloud.change_set("slo", template("of-stack", 99), "UPDATE")
    assert change["Changes"][0]["ResourceChange"]["Replacement"] == "False"
    quick_cloud.execute(change)
    assert slos.get_service_level_objective(Id="of-stack")["Slo"]["Goal"]["AttainmentGoal"] == 99
    change = quick_cloud.change_set("slo", template("of-stack", 99, "of-stack-2"), "UPDATE")
    assert change["Changes"][0]["ResourceChange"]["Replacement"] == "True"
    assert quick_cloud.execute(change)["StackStatus"] == "UPDATE_COMPLETE"
    with pytest.raises(ClientError, match="of-stack"):
        slos.get_service_level_objective(Id="of-stack")
    assert slos.get_service_level_objective(Id="of-stack-2")["Slo"]["Name"] == "of-stack-2"
    assert quick_cloud.delete("slo")["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="of-stack-2"):
        slos.get_service_level_objective(Id="of-stack-2")


def test_a_template_with_a_wrong_one_fails_with_the_reason(quick_cloud: Cloud) -> None:
    wrong = template("wrong-stack", 99)
    wrong["Resources"]["Slo"]["Properties"]["Goal"]["AttainmentGoal"] = 100
    assert quick_cloud.deploy("slo-wrong", wrong)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("AttainmentGoal" in reason for _, _, reason in quick_cloud.failures("slo-wrong"))
