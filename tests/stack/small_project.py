"""A small project of templates, and the tool run on it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from click.testing import CliRunner, Result

from stack.cli import tool

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
            service,
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


def make(folder: Path, url: str) -> Project:
    """A project in a folder of its own below `folder`, for the endpoint at `url`."""
    env = f"t{uuid.uuid4().hex[:8]}"
    root = folder / env
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
