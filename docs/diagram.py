"""Draws architecture.png from the templates: `make diagram`. A test fails when the picture is out of date.

Which resources are drawn, and with which icon, follows from their type (`DRAWN`); what is in no table is an
error, so that a new one cannot be forgotten. Conditions are resolved with the parameters' defaults.
"""

import hashlib
import importlib
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import cfnlint.decode

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "architecture.png"
SOURCES = [Path(__file__), *sorted((ROOT / "cloudformation").glob("*.yaml"))]
KEYWORD = b"source-sha256"
ENDPOINT = "AWS::EC2::VPCEndpoint"

# Type: module and name of the icon in `diagrams`.
DRAWN = {
    "AWS::EC2::InternetGateway": "aws.network.InternetGateway",
    ENDPOINT: "aws.network.Endpoint",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "aws.network.ElbApplicationLoadBalancer",
    "AWS::ECS::Service": "aws.compute.Fargate",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "aws.management.AutoScaling",
    "AWS::DynamoDB::Table": "aws.database.Dynamodb",
    "AWS::ECR::Repository": "aws.compute.EC2ContainerRegistry",
    "AWS::Logs::LogGroup": "aws.management.CloudwatchLogs",
}
# Frames, wiring and permissions: the picture's boxes and arrows, or beneath its level.
NOT_DRAWN = {
    "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::EC2::EIP", "AWS::EC2::Route", "AWS::EC2::RouteTable",
    "AWS::EC2::NatGateway",
    "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupEgress", "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::VPC", "AWS::EC2::VPCGatewayAttachment",
    "AWS::ECS::Cluster", "AWS::ECS::TaskDefinition", "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::TargetGroup", "AWS::IAM::Role",
}  # fmt: skip


def digest() -> str:
    """SHA-256 over everything the picture is drawn from."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()


def recorded(picture: bytes) -> str:
    """The digest in a picture's metadata, "" without one."""
    start = picture.find(b"tEXt" + KEYWORD + b"\0")
    return "" if start < 0 else picture[start + 5 + len(KEYWORD) :][:64].decode()


def templates() -> dict[str, dict[str, Any]]:
    """The parsed templates by stack."""
    found: dict[str, dict[str, Any]] = {}
    for path in SOURCES[1:]:
        template, problems = cfnlint.decode.decode(str(path))
        if problems or template is None:
            sys.exit(f"{path}: {problems}")
        found[path.stem] = template
    return found


def is_there(template: dict[str, Any], resource: dict[str, Any]) -> bool:
    """Whether a resource exists by default; conditions are `!Equals [!Ref Parameter, value]`."""
    if "Condition" not in resource:
        return True
    left, right = template["Conditions"][resource["Condition"]]["Fn::Equals"]
    return str(template["Parameters"][left["Ref"]]["Default"]) == str(right)


def resources() -> dict[str, list[str]]:
    """Labels of the drawn resources by type. Ends with a message when a type is in no table."""
    found: dict[str, list[str]] = {}
    for stack, template in templates().items():
        for name, resource in template["Resources"].items():
            kind = resource["Type"]
            if kind in DRAWN and is_there(template, resource):
                found.setdefault(kind, []).append(label(resource))
            elif kind not in DRAWN and kind not in NOT_DRAWN:
                sys.exit(f"{stack}.{name}: {kind} is neither in DRAWN nor in NOT_DRAWN of docs/diagram.py")
    # One icon for all endpoints: what matters is which services have one.
    found[ENDPOINT] = ["Endpoints: " + ", ".join(found.get(ENDPOINT, []))]
    return found


def label(resource: dict[str, Any]) -> str:
    """The description up to its first comma; for an endpoint, the service that it leads to."""
    if resource["Type"] == ENDPOINT:
        return str(resource["Properties"]["ServiceName"]["Fn::Sub"]).partition("${AWS::Region}.")[2]
    return str(resource["Metadata"]["Description"]).partition(",")[0]


def wrapped(text: str, width: int = 18) -> str:
    """A label in short lines."""
    lines = [""]
    for word in text.split():
        lines[-1:] = (
            [f"{lines[-1]} {word}".strip()] if len(lines[-1]) + len(word) < width else [lines[-1], word]
        )
    return "\n".join(lines)


def draw(target: Path) -> None:
    """Draw the picture into `target`, a path without its ending."""
    from diagrams import Cluster, Diagram, Edge
    from diagrams.onprem.client import Users

    def nodes(kind: str) -> list[Any]:
        module, _, name = DRAWN[kind].rpartition(".")
        icon = getattr(importlib.import_module(f"diagrams.{module}"), name)
        return [icon(wrapped(text)) for text in there.pop(kind, [])]

    there = resources()
    zones = [
        resource["Metadata"]["Description"].partition(", ")[2]
        for resource in templates()["network"]["Resources"].values()
        if resource["Type"] == "AWS::EC2::Subnet"
        and resource["Metadata"]["Description"].startswith("Private")
    ]
    look = {
        "fontsize": "20",
        "pad": "0.3",
        "nodesep": "0.6",
        "ranksep": "0.9",
        "dpi": "100",
        "splines": "spline",
    }
    font = {"fontsize": "15"}
    quiet = {"style": "dashed", "color": "gray"}
    with Diagram(
        "Echo Room on ECS", filename=str(target), show=False, graph_attr=look, node_attr=font, edge_attr=font
    ):
        clients = Users("API users")
        with Cluster("Region", graph_attr=font):
            with Cluster("VPC", graph_attr=font):
                (internet,) = nodes("AWS::EC2::InternetGateway")
                (balancer,) = nodes("AWS::ElasticLoadBalancingV2::LoadBalancer")
                services = there["AWS::ECS::Service"]
                tasks = []
                for zone in zones:
                    there["AWS::ECS::Service"] = list(services)
                    with Cluster(f"Private subnet, {zone}", graph_attr=font):
                        tasks += nodes("AWS::ECS::Service")
                (endpoints,) = nodes(ENDPOINT)
            (table,) = nodes("AWS::DynamoDB::Table")
            (repository,) = nodes("AWS::ECR::Repository")
            (logs,) = nodes("AWS::Logs::LogGroup")
            (scaling,) = nodes("AWS::ApplicationAutoScaling::ScalingPolicy")
        if there:
            sys.exit(f"docs/diagram.py gives no place to {', '.join(there)}")
        clients >> Edge(label="HTTP") >> internet >> balancer
        balancer >> Edge(label="8080") >> tasks >> Edge(**quiet) >> endpoints
        endpoints >> Edge(**quiet) >> [table, repository, logs]
        scaling >> Edge(**quiet) >> tasks[0]


def with_digest(picture: bytes) -> bytes:
    """The PNG with the digest of its sources as a text chunk before its end."""
    text = b"tEXt" + KEYWORD + b"\0" + digest().encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    end = picture.rindex(b"IEND") - 4
    return picture[:end] + chunk + picture[end:]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "picture")
        PICTURE.write_bytes(with_digest((Path(folder) / "picture.png").read_bytes()))
    print(f"Drew {PICTURE.relative_to(ROOT)}")
