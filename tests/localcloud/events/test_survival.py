"""What monitoring consists of, after the local cloud was killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

from tests.localcloud.conftest import Cloud
from tests.localcloud.events.conftest import Queue
from tests.localcloud.events.test_action_suppression import LONG, Suppressed
from tests.localcloud.signals.test_objectives import requests_of


def test_everything_acknowledged_is_there_and_goes_on(own_cloud: Cloud, until: Callable[..., None]) -> None:
    own_cloud.speed = 60
    own_cloud.run("up")
    alarm = Suppressed(own_cloud, lambda name: Queue(own_cloud, name), "kept", wait=LONG, extension=120)
    alarm.set(alarm.child, "ALARM")
    alarm.set(alarm.suppressor, "ALARM")
    queue, events = Queue(own_cloud, "events"), own_cloud.client("events")
    events.put_rule(Name="kept", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="kept", Targets=[{"Id": "1", "Arn": queue.arn, "Input": '{"still": "here"}'}])
    own_cloud.client("application-signals").create_service_level_objective(**requests_of("kept"))
    logs, cloudwatch = own_cloud.client("logs"), own_cloud.client("cloudwatch")
    for group in ("kept", "gone"):
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName="kept", logStreamName="s")
    logs.delete_log_group(logGroupName="gone")
    logs.put_metric_filter(
        logGroupName="kept", filterName="f", filterPattern="ERROR",
        metricTransformations=[{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}],
    )  # fmt: skip
    cloudwatch.put_dashboard(DashboardName="kept", DashboardBody='{"widgets": []}')
    zones = own_cloud.client("route53")
    zone = zones.create_hosted_zone(Name="kept.test", CallerReference=str(time.time_ns()))["HostedZone"]["Id"]
    record = {"Name": "a.kept.test", "Type": "A", "TTL": 60, "SetIdentifier": "one", "Weight": 7,
              "ResourceRecords": [{"Value": "127.0.0.1"}]}  # fmt: skip
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    zones.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
    alarm.set(alarm.suppressor, "OK")

    os.kill(own_cloud.pid(), signal.SIGKILL)
    own_cloud.run("up")

    until(lambda: alarm.told() == ["ALARM"])
    assert alarm.by() == ""
    until(lambda: {"still": "here"} in queue.documents())
    slo = own_cloud.client("application-signals").get_service_level_objective(Id="kept")["Slo"]
    assert slo["Goal"]["AttainmentGoal"] == 90
    assert logs.describe_metric_filters(logGroupName="kept")["metricFilters"][0]["filterPattern"] == "ERROR"
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == ["kept"]
    assert logs.describe_log_streams(logGroupName="kept")["logStreams"][0]["logStreamName"] == "s"
    assert json.loads(cloudwatch.get_dashboard(DashboardName="kept")["DashboardBody"]) == {"widgets": []}
    found = zones.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [one["Weight"] for one in found if one["Name"] == "a.kept.test."] == [7]
