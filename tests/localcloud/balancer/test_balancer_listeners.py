"""Listeners of a started local cloud: their ports."""

from __future__ import annotations

import socket
import time
from typing import Any

from cloud_harness import LocalCloud, until


def _state(cloud: LocalCloud) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("elbv2").describe_load_balancers()["LoadBalancers"][0]["State"]
    return found


def test_a_port_taken_at_a_restart_is_said_once_and_taken_back(cloud: LocalCloud) -> None:
    cloud.balancer()
    assert _state(cloud) == {"Code": "active"}
    assert cloud.get("/")[0] == 503
    cloud.down()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", cloud.http))
        other.listen()
        cloud.up()
        state = _state(cloud)
        assert state["Code"] == "failed"
        assert f"cannot use port {cloud.http} of 127.0.0.1: it is already in use" in state["Reason"]
        time.sleep(1)
        assert cloud.log().count(f"cannot use port {cloud.http}") == 1
        assert f"cannot use port {cloud.http}" in cloud.command("status").stderr
    until(lambda: _state(cloud) == {"Code": "active"})
    until(lambda: cloud.get("/")[0] == 503)
    assert not cloud.command("status").stderr


def test_a_port_can_be_used_again_at_once(cloud: LocalCloud) -> None:
    group = cloud.balancer()
    elb = cloud.client("elbv2")
    lb = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    for text in ("one", "two"):
        listener = elb.describe_listeners(LoadBalancerArn=lb)["Listeners"][0]["ListenerArn"]
        elb.delete_listener(ListenerArn=listener)
        answer = {"StatusCode": "200", "MessageBody": text, "ContentType": "text/plain"}
        elb.create_listener(
            LoadBalancerArn=lb, Port=cloud.http, Protocol="HTTP",
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": answer}],
        )  # fmt: skip
        assert cloud.get("/") == (200, text.encode())
    assert elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"] == []
    assert "ERROR" not in cloud.log()
