"""A real endpoint over HTTP (MiniStack, one per test worker) and small projects of templates for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from stack.cli import tool
from stack.image import engine
from tests.ports import free_port

REGISTRY = """
Description: Images
Resources:
  Repository:
    Type: AWS::ECR::Repository
    Metadata: {Description: Image repository}
    Properties: {ImageTagMutability: IMMUTABLE}
Outputs:
  RepositoryName: {Value: !Ref Repository}
  RepositoryUri: {Value: !GetAtt Repository.RepositoryUri}
"""
DATA = """
Description: Data
Parameters:
  Key: {Type: String, Default: pk}
  Mode: {Type: String, Default: one, AllowedValues: [one, two]}
  Password: {Type: String, Default: secret-one, NoEcho: true}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Metadata: {Description: Tokens}
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: !Ref Key, AttributeType: S}]
      KeySchema: [{AttributeName: !Ref Key, KeyType: HASH}]
  Topic:
    Type: AWS::SNS::Topic
    Metadata: {Description: News}
    Properties: {DisplayName: !Sub "mode ${Mode}"}
  Setting:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !Ref Password}
Outputs:
  TableName: {Value: !Ref Table}
"""
SERVICE = """
Description: Service
Parameters:
  Image: {Type: String, AllowedPattern: '^.+@sha256:[0-9a-f]{64}$'}
  TableName: {Type: String}
Resources:
  Group:
    Type: AWS::Logs::LogGroup
    Properties: {RetentionInDays: 1}
  Running:
    Type: AWS::SSM::Parameter
    Metadata: {Description: What runs}
    Properties: {Type: String, Value: !Sub "${Image} on ${TableName}"}
Outputs:
  LogGroupName: {Value: !Ref Group}
"""
DOCKERFILE = """
FROM base AS build
ENV LOST=1
FROM base
ARG VERSION=dev
LABEL title="echo" version="${VERSION}"
ENV ECHO_HOST=0.0.0.0 \\
    ECHO_VERSION=${VERSION}
WORKDIR /srv
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "app"]
CMD ["serve"]
"""


# Stands for an endpoint that can be down: `start` opens a way to the real one, `stop` closes it.
RELAY = """
import os, pathlib, signal, socket, subprocess, sys, threading, time
HERE = pathlib.Path(__file__).parent
PORT, TARGET = {port}, {target}


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


if sys.argv[1] == "serve":
    listener = socket.create_server(("127.0.0.1", PORT))
    while True:
        client, _ = listener.accept()
        upstream = socket.create_connection(("127.0.0.1", TARGET))
        for pair in ((client, upstream), (upstream, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()
elif sys.argv[1] == "start":
    quiet = subprocess.DEVNULL
    child = subprocess.Popen([sys.executable, __file__, "serve"], stdin=quiet, stdout=quiet, stderr=quiet)
    (HERE / "relay.pid").write_text(str(child.pid))
    while socket.socket().connect_ex(("127.0.0.1", PORT)):
        time.sleep(0.05)
    print("relay started")
else:
    pid = HERE / "relay.pid"
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGTERM)
        pid.unlink()
    print("relay stopped")
"""


@dataclass
class Project:
    """A folder like the repository's, with an environment of its own name on the shared endpoint."""

    root: Path
    env: str
    url: str

    def run(self, *words: str, **options: Any) -> Result:
        """Run the tool in this process."""
        return CliRunner().invoke(tool, ["--project", str(self.root), *words], **options)

    def do(self, command: str, *words: str, **options: Any) -> Result:
        """Run a command of this project's environment."""
        return self.run(command, "--env", self.env, *words, **options)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def stack(self, name: str) -> str:
        return f"echo-room-{self.env}-{name}"

    def found(self) -> dict[str, dict[str, Any]]:
        """This environment's stacks by short name, without deleted ones, as DescribeStacks gives them."""
        # In pages: the tests of one worker share a cloud, and leave more than a page of stacks behind.
        pages = self.client("cloudformation").get_paginator("describe_stacks").paginate()
        return {
            one["StackName"].rsplit("-", 1)[-1]: one
            for page in pages
            for one in page["Stacks"]
            if one["StackName"].startswith(f"echo-room-{self.env}-")
        }

    def statuses(self) -> dict[str, str]:
        """Status of each of this environment's stacks, without deleted ones."""
        return {name: one["StackStatus"] for name, one in self.found().items()}

    def template(self, name: str) -> Path:
        return self.root / "cloudformation" / f"{name}.yaml"

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.template(name)
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    @property
    def file(self) -> Path:
        return self.root / "cloudformation" / "environments" / f"{self.env}.toml"

    def append(self, text: str) -> None:
        self.file.write_text(self.file.read_text() + text)


@pytest.fixture
def unused_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    folder = tmp_path_factory.mktemp("ministack")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            stdout=log,
            stderr=log,
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
                "STATE_DIR": str(folder / "state"),
                "SERVICES": "cloudformation,ecr,dynamodb,sns,ssm,logs,sts,ecs,elbv2,iam,s3",
            },
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test may reach an account of whoever runs it."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name == "NO_COLOR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[str], Project]:
    def make(url: str) -> Project:
        env = f"t{uuid.uuid4().hex[:8]}"
        root = tmp_path / env
        environments = root / "cloudformation" / "environments"
        environments.mkdir(parents=True)
        for name, body in (("registry", REGISTRY), ("data", DATA), ("service", SERVICE)):
            (root / "cloudformation" / f"{name}.yaml").write_text(body)
        (root / "app").mkdir()
        (root / "app" / "main.py").write_text("print('hello')\n")
        (root / "docker").mkdir()
        (root / "docker" / "Dockerfile").write_text(DOCKERFILE)
        (root / "make_token.py").write_text(
            "import json, os\n"
            "print(json.dumps({'id': 'id1', 'name': 'n', 'token': 'made-for-' + os.environ['TABLE']}))\n"
        )
        project = Project(root, env, url)
        project.file.write_text(
            f"""
region = "us-east-1"
stacks = ["registry", "data", "service"]
[endpoint]
url = "{url}"
process_images = true
[token]
create = ["{{python}}", "make_token.py", "{{name}}"]
environment = {{ TABLE = "{{data.TableName}}" }}
[tags]
project = "echo-room"
[parameters.data]
Mode = "one"
"""
        )
        return project

    return make


@pytest.fixture
def project(make_project: Callable[[str], Project], endpoint_url: str) -> Project:
    return make_project(endpoint_url)


@dataclass
class Relay:
    """An endpoint that is down until its script's `start` is run."""

    url: str
    script: Path

    def start(self) -> None:
        subprocess.run([sys.executable, str(self.script), "start"], check=True)

    def stop(self) -> None:
        subprocess.run([sys.executable, str(self.script), "stop"], check=True)


@pytest.fixture
def relay(tmp_path: Path, endpoint_url: str) -> Iterator[Relay]:
    port = free_port()
    script = tmp_path / "relay.py"
    script.write_text(RELAY.replace("{port}", str(port)).replace("{target}", endpoint_url.rsplit(":", 1)[-1]))
    one = Relay(f"http://127.0.0.1:{port}", script)
    yield one
    one.stop()


@pytest.fixture
def created(project: Project) -> Project:
    done = project.do("create", "--runtime", "process")
    assert done.exit_code == 0, done.output
    return project


@pytest.fixture(autouse=True)
def each_test_is_a_command_of_its_own() -> None:
    """Forget what an earlier test learnt of the Docker engine."""
    engine.detect.cache_clear()
