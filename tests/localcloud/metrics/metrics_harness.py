"""A target of a test's own behind a local cloud's balancer, with the alarms of the service's template."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.localcloud.ecs.cloud_harness import SUBNET_A, SUBNET_B, VPC

TEMPLATE = Path(__file__).parents[3] / "cloudformation" / "service.yaml"


class _Loader(yaml.SafeLoader):
    pass


def _intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt":
        return {"Fn::GetAtt": value.split(".", 1)}
    return {"Ref": value} if tag == "Ref" else {f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def alarms() -> dict[str, Any]:
    """The alarms of the service's template, without their actions."""
    resources = yaml.load(TEMPLATE.read_text(), _Loader)["Resources"]  # noqa: S506 - a safe loader's child
    found = {name: r for name, r in resources.items() if r["Type"] == "AWS::CloudWatch::Alarm"}
    for resource in found.values():
        resource["Properties"].pop("AlarmActions", None)
    return found


def template(port: int) -> str:
    """The alarms, and what they look at, under the names that the service's template has for it."""
    group = {
        "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Properties": {
            "TargetType": "ip", "VpcId": VPC, "Protocol": "HTTP", "Port": 8080,
            "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2,
            "UnhealthyThresholdCount": 2,
        },
    }  # fmt: skip
    forward = [{"Type": "forward", "TargetGroupArn": {"Ref": "TargetGroup"}}]
    resources = {
        "LoadBalancer": {
            "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "Properties": {"Name": "lb", "Subnets": [SUBNET_A, SUBNET_B]},
        },
        "TargetGroup": group, "AlternateTargetGroup": group,
        "Listener": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {"LoadBalancerArn": {"Ref": "LoadBalancer"}, "Port": port, "Protocol": "HTTP",
                           "DefaultActions": forward},
        },
    }  # fmt: skip
    names = alarms()
    return json.dumps({
        "Parameters": {"LatencyThresholdMs": {"Type": "Number", "Default": 1}},
        "Resources": {**resources, **names},
        "Outputs": {
            **{name: {"Value": {"Ref": name}} for name in (*names, "TargetGroup")},
            "FullName": {"Value": {"Fn::GetAtt": ["LoadBalancer", "LoadBalancerFullName"]}},
            "GroupName": {"Value": {"Fn::GetAtt": ["TargetGroup", "TargetGroupFullName"]}},
        },
    })  # fmt: skip


class Target:
    """An HTTP server that answers `/<status>` with that status, a moment later."""

    #: Seconds that an answer takes.
    DELAY = 0.01

    def __init__(self) -> None:
        self.health = 200
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status = target.health if self.path == "/health" else int(self.path[1:])
                time.sleep(target.DELAY)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def traffic(port: int, path: str, clients: int = 8) -> Iterator[list[int]]:
    """Requests by several clients for as long as this is entered; their statuses."""
    ended = threading.Event()
    answers: list[int] = []

    def ask() -> None:
        while not ended.is_set():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                    answers.append(answer.status)
            except urllib.error.HTTPError as exc:
                answers.append(exc.code)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def statistic(cloudwatch: Any, namespace: str, name: str, stat: str, **dimensions: str) -> list[float]:
    """A metric's values of the last quarter of an hour, oldest first."""
    now = datetime.now(UTC)
    found = cloudwatch.get_metric_data(
        StartTime=now - timedelta(minutes=15), EndTime=now + timedelta(seconds=1),
        ScanBy="TimestampAscending",
        MetricDataQueries=[{"Id": "m", "MetricStat": {
            "Stat": stat, "Period": 60, "Metric": {
                "Namespace": namespace, "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
        }}],
    )  # fmt: skip
    values: list[float] = found["MetricDataResults"][0]["Values"]
    return values
