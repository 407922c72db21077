"""`python -m localcloud`: up, down, status, reset, and what stands in their way."""

import http.server
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def listening(pid: int) -> set[tuple[str, int]]:
    """Every address and port the process accepts TCP connections on, from the kernel's tables."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        target = str(entry.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


def test_up_and_down_are_idempotent_and_status_tells(own_cloud: Any) -> None:
    assert "not running" in own_cloud.run("status", check=False).stdout
    assert own_cloud.run("status", check=False).returncode == 3
    first = own_cloud.run("up").stdout
    assert "started" in first
    assert own_cloud.url in first
    assert str(own_cloud.pid()) in first
    assert "already running" in own_cloud.run("up").stdout
    assert json.loads(own_cloud.run("status", "--json").stdout)["ready"] is True
    assert "ready on" in own_cloud.run("logs").stdout
    assert "stopped" in own_cloud.run("down").stdout
    assert "not running" in own_cloud.run("down").stdout


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's socket tables")
def test_nothing_listens_beyond_loopback(own_cloud: Any) -> None:
    own_cloud.run("up")
    own_cloud.client("sns").list_topics()
    found = listening(own_cloud.pid())
    assert ("0100007F", own_cloud.port) in found
    assert {address for address, _ in found} == {"0100007F"}


def test_a_port_taken_by_another_program_is_named(own_cloud: Any) -> None:
    server = http.server.HTTPServer(("127.0.0.1", own_cloud.port), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        result = own_cloud.run("up", check=False)
    finally:
        server.shutdown()
        server.server_close()
    assert result.returncode == 1
    assert f"port {own_cloud.port} is taken by another program" in result.stderr
    assert "--endpoint" in result.stderr
    assert not own_cloud.state_dir.joinpath("cloud.json").exists()


def test_another_checkouts_cloud_is_not_used(own_cloud: Any, make_cloud: Callable[..., Any]) -> None:
    own_cloud.run("up")
    other = make_cloud("other", own_cloud.port)
    result = other.run("up", check=False)
    assert result.returncode == 1
    assert str(own_cloud.state_dir) in result.stderr
    assert other.run("status", check=False).returncode == 3


def test_a_state_directory_of_another_port_or_version_is_refused(
    own_cloud: Any, make_cloud: Callable[..., Any]
) -> None:
    own_cloud.run("up")
    own_cloud.run("down")
    moved = make_cloud("state")
    assert moved.port != own_cloud.port
    assert f"belongs to {own_cloud.url}" in moved.run("up", check=False).stderr
    meta = own_cloud.state_dir / "cloud.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "ministack": "0.0.1"}))
    result = own_cloud.run("up", check=False)
    assert result.returncode == 1
    assert "another version" in result.stderr
    assert "reset" in result.stderr


@pytest.mark.parametrize(
    "url", ["http://0.0.0.0:4566", "https://127.0.0.1:4566", "http://example.com:80", "http://127.0.0.1"]
)
def test_an_endpoint_beyond_loopback_is_refused(own_cloud: Any, url: str) -> None:
    own_cloud.url, good = url, own_cloud.url
    result = own_cloud.run("up", check=False)
    own_cloud.url = good
    assert result.returncode == 1
    assert "127.0.0.1:4566" in result.stderr


def test_two_starts_at_once_make_one_cloud(own_cloud: Any) -> None:
    outputs: list[str] = []
    threads = [threading.Thread(target=lambda: outputs.append(own_cloud.run("up").stdout)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted("started" in output for output in outputs) == [False, False, True]


def test_reset_deletes_everything_and_only_a_state_directory(own_cloud: Any, tmp_path: Path) -> None:
    own_cloud.run("up")
    own_cloud.run("reset", "--yes")
    assert not own_cloud.state_dir.exists()
    own_cloud.run("reset", "--yes")
    own_cloud.state_dir.mkdir()
    precious = own_cloud.state_dir / "thesis.txt"
    precious.write_text("x")
    assert own_cloud.run("reset", "--yes", check=False).returncode == 1
    assert precious.exists()


def test_kill_9_loses_nothing_that_was_acknowledged(own_cloud: Any) -> None:
    own_cloud.run("up")
    topic = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Arn": {"Value": {"Ref": "Topic"}}},
    }
    stack = own_cloud.deploy("kept", topic)
    table = own_cloud.client("dynamodb")
    table.create_table(
        TableName="items", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )  # fmt: skip
    for number in range(20):
        table.put_item(TableName="items", Item={"pk": {"S": str(number)}})
    os.kill(own_cloud.pid(), signal.SIGKILL)
    assert "started" in own_cloud.run("up").stdout
    after = own_cloud.client("cloudformation").describe_stacks(StackName="kept")["Stacks"][0]
    assert (after["StackStatus"], after["Outputs"]) == ("CREATE_COMPLETE", stack["Outputs"])
    assert own_cloud.client("dynamodb").scan(TableName="items", Select="COUNT")["Count"] == 20
    assert own_cloud.client("sns").list_topics()["Topics"] == [
        {"TopicArn": stack["Outputs"][0]["OutputValue"]}
    ]
