"""Dashboards: what CloudWatch takes of a body, over the API and in stacks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.metrics import dashboards
from tests.localcloud.conftest import Cloud

TEXT = {"type": "text", "x": 0, "y": 0, "width": 24, "height": 2, "properties": {"markdown": "# Echo"}}
METRICS = [["AWS/ApplicationELB", "RequestCount", "LoadBalancer", "x"], ["...", {"stat": "p99"}],
           [".", "Other", ".", "."], [{"expression": "m1 * 2", "id": "e1"}]]  # fmt: skip
METRIC = {"type": "metric", "properties": {"metrics": METRICS, "region": "us-east-1", "view": "timeSeries"}}
ALARMS = {"type": "alarm", "x": 12, "y": 2, "width": 12, "height": 3, "properties": {"alarms": ["arn"]}}


def body(*widgets: Any) -> str:
    return json.dumps({"widgets": list(widgets)})


def test_a_good_body_has_no_problems() -> None:
    log = {"type": "log", "properties": {"query": "SOURCE 'x'", "region": "us-east-1"}}
    assert list(dashboards.problems(body(TEXT, METRIC, ALARMS, log))) == []
    assert list(dashboards.problems(body())) == []


@pytest.mark.parametrize(("text", "path"), [
    ("{", ""), ("[]", ""), ("{}", ""),
    (body("text"), "/widgets/0"), (body({**TEXT, "type": "chart"}), "/widgets/0/type"),
    (body(TEXT, {**TEXT, "x": 24}), "/widgets/1/x"), (body({**TEXT, "width": 25}), "/widgets/0/width"),
    (body({**TEXT, "x": 6, "width": 20}), "/widgets/0"), (body({**TEXT, "height": 0}), "/widgets/0/height"),
    (body({"type": "text", "x": 1, "properties": {"markdown": ""}}), "/widgets/0"),
    (body({"type": "text", "properties": {}}), "/widgets/0/properties"),
    (body({"type": "text"}), "/widgets/0"),
    (body({"type": "metric", "properties": {"metrics": METRICS}}), "/widgets/0/properties"),
    (body({"type": "metric", "properties": {"metrics": [["OnlyNamespace"]], "region": "r"}}),
     "/widgets/0/properties/metrics/0"),
    (body({"type": "metric", "properties": {"metrics": METRICS, "region": "r", "view": "3d"}}),
     "/widgets/0/properties/view"),
    (body({"type": "alarm", "properties": {"alarms": []}}), "/widgets/0/properties/alarms"),
])  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, path: str) -> None:
    assert [where for where, _ in dashboards.problems(text)] == [path]


def test_they_are_put_got_listed_and_deleted_in_all_regions_at_once(quick_cloud: Cloud) -> None:
    here, there = quick_cloud.client("cloudwatch"), quick_cloud.client("cloudwatch", "eu-west-1")
    there.put_dashboard(DashboardName="one", DashboardBody=body(TEXT))
    assert json.loads(here.get_dashboard(DashboardName="one")["DashboardBody"])["widgets"] == [TEXT]
    listed = there.list_dashboards(DashboardNamePrefix="on")["DashboardEntries"]
    assert [entry["DashboardName"] for entry in listed] == ["one"]
    assert listed[0]["DashboardArn"] == "arn:aws:cloudwatch::000000000000:dashboard/one"
    with pytest.raises(ClientError, match=r"/widgets/0/width") as refused:
        here.put_dashboard(DashboardName="one", DashboardBody=body({**TEXT, "width": 30}))
    assert refused.value.response["Error"]["Code"] == "InvalidParameterInput"
    with pytest.raises(ClientError, match="DashboardName"):
        here.put_dashboard(DashboardName="a name", DashboardBody=body())
    here.delete_dashboards(DashboardNames=["one"])
    assert there.list_dashboards(DashboardNamePrefix="on")["DashboardEntries"] == []


def test_a_stack_makes_changes_replaces_and_deletes_one(quick_cloud: Cloud) -> None:
    cloudwatch = quick_cloud.client("cloudwatch")

    def template(text: str, name: str | None = "of-stack") -> dict[str, Any]:
        properties = {"DashboardBody": text, **({"DashboardName": name} if name else {})}
        return {"Resources": {"Board": {"Type": "AWS::CloudWatch::Dashboard", "Properties": properties}},
                "Outputs": {"Name": {"Value": {"Ref": "Board"}}}}  # fmt: skip

    stack = quick_cloud.deploy("board", template(body(TEXT)))
    assert stack["StackStatus"] == "CREATE_COMPLETE", quick_cloud.failures("board")
    assert stack["Outputs"][0]["OutputValue"] == "of-stack"
    quick_cloud.deploy("board", template(body(TEXT, METRIC)), "UPDATE")
    kept = json.loads(cloudwatch.get_dashboard(DashboardName="of-stack")["DashboardBody"])
    assert len(kept["widgets"]) == 2
    broken = quick_cloud.deploy("board", template(body({**TEXT, "x": 30})), "UPDATE")
    assert broken["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert any("/widgets/0/x" in reason for _, _, reason in quick_cloud.failures("board"))
    change = quick_cloud.change_set("board", template(body(TEXT), None), "UPDATE")
    assert change["Changes"][0]["ResourceChange"]["Replacement"] == "True"
    made_up = quick_cloud.execute(change)["Outputs"][0]["OutputValue"]
    listed = {entry["DashboardName"] for entry in cloudwatch.list_dashboards()["DashboardEntries"]}
    assert made_up in listed
    assert "of-stack" not in listed
    quick_cloud.delete("board")
    assert made_up not in {
        entry["DashboardName"] for entry in cloudwatch.list_dashboards()["DashboardEntries"]
    }
