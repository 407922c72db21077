"""A local cloud of a test's own, and a tiny service to run in it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from localcloud import background
from localcloud.state import StateDir
from tests.ports import free_port

SERVICE = """
import http.server, os, signal, sys, threading, time
MODE = os.environ.get("MODE", "good")
print("hello from", os.environ.get("VERSION", "?"), flush=True)
if MODE == "exits":
    sys.exit(7)
leaving = threading.Event()
def term(*_):
    print("told to stop", flush=True)
    if MODE != "stubborn":
        leaving.set()
signal.signal(signal.SIGTERM, term)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/health":
            self.reply(500 if MODE == "unhealthy" else 200, b"ok")
        elif self.path == "/env":
            import json
            self.reply(200, json.dumps(dict(os.environ)).encode())
        elif self.path.startswith("/metadata"):
            import urllib.request
            url = os.environ["ECS_CONTAINER_METADATA_URI_V4"] + (self.path[len("/metadata"):] or "/task")
            self.reply(200, urllib.request.urlopen(url, timeout=30).read())
        elif self.path == "/crash":
            os._exit(9)
        else:
            if self.path == "/slow":
                time.sleep(1.5)
            self.reply(200, os.environ.get("VERSION", "?").encode())
    def do_POST(self):
        self.reply(200, self.rfile.read(int(self.headers["Content-Length"])))
    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer((os.environ["LISTEN"], int(os.environ["PORT"])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
leaving.wait()
"""
ROOT = Path(__file__).parents[3]
#: The default VPC of every region, and two of its subnets.
VPC, SUBNET_A, SUBNET_B = "vpc-00000001", "subnet-00000001", "subnet-00000002"
#: A network for tasks that do not care; Fargate's always have one.
NETWORK = {"awsvpcConfiguration": {"subnets": [SUBNET_A]}}
#: This machine's, in the words of images and of task definitions.
ARCHITECTURE, CPU = ("arm64", "ARM64") if platform.machine() in ("arm64", "aarch64") else ("amd64", "X86_64")


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


class LocalCloud:
    def __init__(self, state: Path) -> None:
        self.state, self.port, self.http = state, free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self, name: str, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "localcloud", name, "--endpoint", self.url, "--state-dir",
            str(self.state), *more],
            capture_output=True, text=True, timeout=150, check=False, cwd=ROOT,
        )  # fmt: skip

    def up(self) -> None:
        done = self.command("up")
        assert done.returncode == 0, done.stderr + done.stdout + self.log()

    def down(self) -> None:
        done = self.command("down")
        assert done.returncode == 0, done.stderr

    def end(self) -> None:
        """What `down` does, at the end of a test, without the second that its own process takes to start."""
        background.down(StateDir.at(self.state))

    def log(self) -> str:
        path = self.state / "localcloud.log"
        return path.read_text() if path.exists() else ""

    @property
    def pid(self) -> int:
        return int((self.state / "localcloud.lock").read_text())

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service, endpoint_url=self.url, region_name=region, aws_access_key_id="local",
            aws_secret_access_key="local", config=Config(retries={"max_attempts": 0}),
        )  # fmt: skip

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read()

    def push(self, repository: str = "tiny", architecture: str = ARCHITECTURE) -> str:
        """Push the service as a process image over the registry API; its reference by digest."""
        ecr = self.client("ecr")
        if not any(r["repositoryName"] == repository for r in ecr.describe_repositories()["repositories"]):
            ecr.create_repository(repositoryName=repository)
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as archive:
            entry = tarfile.TarInfo("srv/service.py")
            entry.size = len(SERVICE.encode())
            archive.addfile(entry, io.BytesIO(SERVICE.encode()))
        layer = gzip.compress(raw.getvalue(), mtime=0)
        config = json.dumps(
            {
                "architecture": architecture, "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [_digest(raw.getvalue())]},
                "config": {
                    "Env": ["LISTEN=0.0.0.0", "PORT=8080", "FROM_IMAGE=yes"],
                    "Entrypoint": ["python3", "service.py"],
                    "WorkingDir": "/srv", "Labels": {"io.echo-room.runtime": "process"},
                },
            }
        ).encode()  # fmt: skip
        descriptors = []
        for blob in (config, layer):
            digest = _digest(blob)
            with self._registry("POST", f"/v2/{repository}/blobs/uploads/") as answer:
                where = answer.headers["Location"]
            where = where if where.startswith("/") else "/" + where.split("/", 3)[3]
            with self._registry("PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", blob):
                pass
            descriptors.append({"digest": digest, "size": len(blob)})
        kind = "application/vnd.oci.image."
        manifest = json.dumps(
            {
                "schemaVersion": 2, "mediaType": f"{kind}manifest.v1+json",
                "config": {"mediaType": f"{kind}config.v1+json", **descriptors[0]},
                "layers": [{"mediaType": f"{kind}layer.v1.tar+gzip", **descriptors[1]}],
            }
        ).encode()  # fmt: skip
        with self._registry("PUT", f"/v2/{repository}/manifests/one", manifest, f"{kind}manifest.v1+json"):
            pass
        digest = hashlib.sha256(manifest).hexdigest()
        return f"127.0.0.1:{self.port}/{repository}@sha256:{digest}"

    def _registry(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream"
    ) -> Any:
        request = urllib.request.Request(self.url + path, body, {"Content-Type": kind}, method=method)
        return urllib.request.urlopen(request, timeout=20)

    def balancer(self) -> str:
        """A balancer with a listener and a target group; the group's ARN."""
        elb = self.client("elbv2")
        lb = elb.create_load_balancer(Name="lb", Subnets=[SUBNET_A, SUBNET_B])["LoadBalancers"][0]
        assert lb["DNSName"] == "127.0.0.1"
        group: str = elb.create_target_group(
            Name="tg", Protocol="HTTP", Port=8080, VpcId=VPC, TargetType="ip", HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        elb.modify_target_group_attributes(
            TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]
        )
        elb.create_listener(
            LoadBalancerArn=lb["LoadBalancerArn"], Port=self.http, Protocol="HTTP",
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )  # fmt: skip
        return group

    def task_definition(
        self,
        image: str,
        stop_timeout: int = 5,
        container: dict[str, Any] | None = None,
        more: dict[str, Any] | None = None,
        **environment: str,
    ) -> str:
        """Register it; `container` has more members of its one container's definition, `more` of its own."""
        self.client("logs").create_log_group(logGroupName="/tiny") if not self.client(
            "logs"
        ).describe_log_groups(logGroupNamePrefix="/tiny")["logGroups"] else None
        arn: str = self.client("ecs").register_task_definition(
            family="tiny", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            **{"runtimePlatform": {"cpuArchitecture": CPU}, **(more or {})},
            containerDefinitions=[
                {
                    "name": "web", "image": image, "essential": True, "stopTimeout": stop_timeout,
                    "portMappings": [{"containerPort": 8080}],
                    "environment": [{"name": k, "value": v} for k, v in environment.items()],
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": "/tiny", "awslogs-region": "us-east-1",
                            "awslogs-stream-prefix": "t",
                        },
                    },
                    **(container or {}),
                }
            ],
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
        return arn

    def run_task(self, definition: str) -> Callable[[], dict[str, Any]]:
        """Run one task outside of any service; what describes it."""
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName="c")
        task = ecs.run_task(cluster="c", taskDefinition=definition, networkConfiguration=NETWORK)["tasks"][0][
            "taskArn"
        ]
        return lambda: ecs.describe_tasks(cluster="c", tasks=[task])["tasks"][0]

    def service(
        self,
        definition: str,
        group: str,
        count: int = 2,
        grace: int = 10,
        subnets: tuple[str, ...] = (SUBNET_A, SUBNET_B),
        **more: Any,
    ) -> None:
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName="c")
        ecs.create_service(
            cluster="c", serviceName="s", taskDefinition=definition, desiredCount=count, launchType="FARGATE",
            healthCheckGracePeriodSeconds=grace,
            loadBalancers=[{"targetGroupArn": group, "containerName": "web", "containerPort": 8080}],
            networkConfiguration={"awsvpcConfiguration": {"subnets": list(subnets)}},
            deploymentConfiguration={
                "minimumHealthyPercent": 100, "maximumPercent": 200,
                "deploymentCircuitBreaker": {"enable": True, "rollback": True, **more},
            },
        )  # fmt: skip

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("ecs").describe_services(cluster="c", services=["s"])["services"][
            0
        ]
        return found

    def stable(self, count: int = 2, seconds: float = 90) -> dict[str, Any]:
        def check() -> Any:
            found = self.described()
            done = len(found["deployments"]) == 1 and found["deployments"][0]["rolloutState"] == "COMPLETED"
            return found if done and found["runningCount"] == count == found["desiredCount"] else None

        try:
            found: dict[str, Any] = until(check, seconds)
        except AssertionError:
            raise AssertionError(
                f"{json.dumps(self.described(), default=str, indent=1)}\n{self.log()}"
            ) from None
        return found

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        ecs = self.client("ecs")
        arns = ecs.list_tasks(cluster="c", desiredStatus=status)["taskArns"]
        found: list[dict[str, Any]] = ecs.describe_tasks(cluster="c", tasks=arns)["tasks"] if arns else []
        return found

    def kill(self) -> None:
        """End the cloud's process at once, once its log group is saved: log data is saved late."""
        saved = self.state / "emulator" / "cloudwatch_logs.json"
        until(lambda: saved.exists() and "/tiny" in saved.read_text())
        os.kill(self.pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Ids of the supervised task processes (not of their supervisors), whoever started them."""
        pids = []
        for record in (self.state / "tasks").glob("*.json"):
            pids += [int(pid) for pid in json.loads(record.read_text())][1:]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
