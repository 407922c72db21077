"""Draws architecture.png from the templates as `prod` gets them: `make diagram`. A test checks it is current.

Which resources are drawn, and with which icon, follows from their type (`DRAWN`). A type that is in neither
table is an error, so that a new one cannot be forgotten.
"""

import hashlib
import importlib
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from stack.files import environment
from stack.scan.templates import resolved

PICTURE = ROOT / "architecture.png"
ENVIRONMENT = "prod"
SOURCES = [
    Path(__file__),
    ROOT / "cloudformation" / "environments" / f"{ENVIRONMENT}.toml",
    *sorted((ROOT / "cloudformation").glob("*.yaml")),
]
KEYWORD = b"source-sha256"
ENDPOINT = "AWS::EC2::VPCEndpoint"

# Type: module and name of the icon in `diagrams`, and the label; one icon stands for all of a type.
DRAWN = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("aws.management.AutoScaling", "Scaling"),
    "AWS::CertificateManager::Certificate": ("aws.security.CertificateManager", "Certificate"),
    "AWS::CloudWatch::Alarm": ("aws.management.CloudwatchAlarm", "Alarms"),
    "AWS::DynamoDB::GlobalTable": ("aws.database.Dynamodb", "Table"),
    "AWS::EC2::InternetGateway": ("aws.network.InternetGateway", "Internet gateway"),
    ENDPOINT: ("aws.network.Endpoint", "Endpoints"),
    "AWS::ECR::Repository": ("aws.compute.EC2ContainerRegistry", "Image repository"),
    "AWS::ECS::Service": ("aws.compute.Fargate", "Tasks"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("aws.network.ElbApplicationLoadBalancer", "Load balancer"),
    "AWS::CloudWatch::Dashboard": ("aws.management.Cloudwatch", "Dashboard"),
    # The others of its kind only write down what ECS does.
    "AWS::Events::Rule": ("aws.compute.Fargate", "Probe"),
    "AWS::KMS::Key": ("aws.security.KMS", "Key of table and logs"),
    "AWS::Logs::LogGroup": ("aws.management.CloudwatchLogs", "Logs"),
    "AWS::Route53::HealthCheck": ("aws.network.Route53", "Health checks"),
    "AWS::Route53::RecordSet": ("aws.network.Route53", "Name"),
    "AWS::S3::Bucket": ("aws.storage.S3", "Access logs"),
    "AWS::SNS::Topic": ("aws.integration.SNS", "Pages and tickets"),
    "AWS::WAFv2::WebACL": ("aws.security.WAF", "Web ACL"),
}
# Frames, wiring and permissions: the picture's boxes and arrows, or beneath its level.
NOT_DRAWN = {
    "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationSignals::ServiceLevelObjective",
    "AWS::CloudFormation::WaitConditionHandle", "AWS::CloudWatch::CompositeAlarm",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::FlowLog", "AWS::EC2::Route", "AWS::EC2::RouteTable", "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress", "AWS::EC2::Subnet", "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC", "AWS::EC2::VPCCidrBlock", "AWS::EC2::VPCGatewayAttachment", "AWS::ECS::Cluster",
    "AWS::ECS::TaskDefinition", "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::ListenerRule", "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "AWS::Logs::MetricFilter",
    "AWS::Logs::ResourcePolicy", "AWS::S3::BucketPolicy", "AWS::SNS::Subscription", "AWS::SNS::TopicPolicy",
    "AWS::WAFv2::LoggingConfiguration", "AWS::WAFv2::WebACLAssociation",
}  # fmt: skip


def digest() -> str:
    """SHA-256 over everything the picture is drawn from."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()


def recorded(picture: bytes) -> str:
    """The digest in a picture's metadata, "" without one."""
    start = picture.find(b"tEXt" + KEYWORD + b"\0")
    return "" if start < 0 else picture[start + 5 + len(KEYWORD) :][:64].decode()


def resources() -> dict[str, list[dict[str, Any]]]:
    """The environment's resources by type. Ends with a message when a type is in no table."""
    found: dict[str, list[dict[str, Any]]] = {}
    for stack in resolved(environment.load(ROOT, ENVIRONMENT)).values():
        for name, resource in stack.resources.items():
            kind = str(resource["Type"])
            if kind not in DRAWN and kind not in NOT_DRAWN:
                sys.exit(
                    f"{stack.stack}.{name}: {kind} is neither in DRAWN nor in NOT_DRAWN of docs/diagram.py"
                )
            found.setdefault(kind, []).append(dict(resource))
    return found


def detail(resource: dict[str, Any]) -> str:
    """What tells a resource from others of its type: for an endpoint the service, else its description."""
    if resource["Type"] == ENDPOINT:
        return (
            str(resource["Properties"]["ServiceName"]).partition(".")[2].partition(".")[2].partition(".")[2]
        )
    return str(resource["Metadata"]["Description"]).partition(",")[0]


def wrapped(text: str, width: int = 20) -> str:
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

    there = resources()
    drawn = set()

    def node(kind: str, *, details: bool = False) -> Any:
        path, text = DRAWN[kind]
        module, _, name = path.rpartition(".")
        drawn.add(kind)
        if details:
            text += ": " + ", ".join(detail(one) for one in there[kind])
        return getattr(importlib.import_module(f"diagrams.{module}"), name)(wrapped(text))

    zones = [
        resource["Metadata"]["Description"].partition(", ")[2]
        for resource in there["AWS::EC2::Subnet"]
        if resource["Metadata"]["Description"].startswith("Private")
    ]
    (listener,) = (
        one["Properties"]["Protocol"]
        for one in there["AWS::ElasticLoadBalancingV2::Listener"]
        if one["Properties"]["Protocol"] == "HTTPS"
    )
    (port,) = {one["Properties"]["Port"] for one in there["AWS::ElasticLoadBalancingV2::TargetGroup"]}
    look = {
        "fontsize": "20",
        "pad": "0.3",
        "nodesep": "0.5",
        "ranksep": "0.8",
        "dpi": "90",
        "splines": "spline",
    }
    font = {"fontsize": "15"}
    quiet = {"style": "dashed", "color": "gray"}
    with Diagram(
        f"Echo Room on ECS ({ENVIRONMENT})",
        filename=str(target), show=False, graph_attr=look, node_attr=font, edge_attr=font,
    ):  # fmt: skip
        clients = Users("API users")
        name = node("AWS::Route53::RecordSet")
        checks = node("AWS::Route53::HealthCheck")
        with Cluster("Region", graph_attr=font):
            web_acl = node("AWS::WAFv2::WebACL")
            certificate = node("AWS::CertificateManager::Certificate")
            with Cluster("VPC", graph_attr=font):
                internet = node("AWS::EC2::InternetGateway")
                balancer = node("AWS::ElasticLoadBalancingV2::LoadBalancer")
                with Cluster("Public subnets", graph_attr=font):
                    probe = node("AWS::Events::Rule")
                tasks = []
                for zone in zones:
                    with Cluster(f"Private subnet, {zone}", graph_attr=font):
                        tasks.append(node("AWS::ECS::Service"))
                endpoints = node(ENDPOINT, details=True)
            access_logs = node("AWS::S3::Bucket")
            table = node("AWS::DynamoDB::GlobalTable")
            repository = node("AWS::ECR::Repository")
            logs = node("AWS::Logs::LogGroup")
            key = node("AWS::KMS::Key")
            scaling = node("AWS::ApplicationAutoScaling::ScalingPolicy")
            alarms = node("AWS::CloudWatch::Alarm")
            topics = node("AWS::SNS::Topic")
            dashboard = node("AWS::CloudWatch::Dashboard")
        if missing := set(there) & set(DRAWN) - drawn:
            sys.exit(f"docs/diagram.py gives no place to {', '.join(sorted(missing))}")
        clients >> Edge(**quiet) >> name
        clients >> Edge(label=listener) >> internet >> balancer
        probe >> Edge(label=listener) >> internet
        [web_acl, certificate] >> Edge(**quiet) >> balancer
        balancer >> Edge(label=str(port)) >> tasks >> Edge(**quiet) >> endpoints
        endpoints >> Edge(**quiet) >> [table, repository, logs]
        balancer >> Edge(**quiet) >> access_logs
        [table, logs] >> Edge(**quiet) >> key
        logs >> Edge(**quiet) >> alarms >> Edge(**quiet) >> [topics, dashboard]
        # Backwards, so that what alarms do stands beside them and not before the tasks.
        tasks[-1] << Edge(**quiet) << scaling
        alarms >> Edge(**quiet, constraint="false") >> scaling
        checks >> Edge(**quiet) >> name


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
