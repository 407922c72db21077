"""Stand-ins for what only AWS can give: names, ids and ARNs of the right shape, the same in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

ACCOUNT = "111122223333"
PARTITION = "aws"
# EC2's ids have a prefix for each kind; parameters of type AWS::EC2::...::Id are checked against it.
_ID_PREFIX = {
    "AWS::EC2::VPC": "vpc",
    "AWS::EC2::Subnet": "subnet",
    "AWS::EC2::SecurityGroup": "sg",
    "AWS::EC2::RouteTable": "rtb",
    "AWS::EC2::VPCEndpoint": "vpce",
}
# Service and what stands before the name in an ARN, by type, where it is not just the type's second part.
_ARN = {
    "AWS::CertificateManager::Certificate": ("acm", "certificate/"),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:"),
    "AWS::DynamoDB::GlobalTable": ("dynamodb", "table/"),
    "AWS::DynamoDB::Table": ("dynamodb", "table/"),
    "AWS::ECR::Repository": ("ecr", "repository/"),
    "AWS::ECS::Cluster": ("ecs", "cluster/"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("elasticloadbalancing", "loadbalancer/app/"),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("elasticloadbalancing", "targetgroup/"),
    "AWS::IAM::Role": ("iam", "role/"),
    "AWS::KMS::Key": ("kms", "key/"),
    "AWS::Logs::LogGroup": ("logs", "log-group:"),
    "AWS::S3::Bucket": ("s3", ""),
    "AWS::SNS::Topic": ("sns", ""),
}
# Types whose Ref is an ARN.
_REF_IS_ARN = {
    "AWS::ApplicationSignals::ServiceLevelObjective",
    "AWS::CertificateManager::Certificate",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::SNS::Topic",
}
_GLOBAL = {"iam": ("", ACCOUNT), "s3": ("", "")}


def image(region: str) -> str:
    """Return a reference to an image, pinned by digest as the tool pins it."""
    return f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/echo-room@sha256:{'0' * 64}"


def pseudo_parameters(region: str, stack_name: str) -> dict[str, str]:
    """Return the values of the pseudo parameters of a stack."""
    return {
        "AWS::AccountId": ACCOUNT,
        "AWS::NotificationARNs": "",
        "AWS::Partition": PARTITION,
        "AWS::Region": region,
        "AWS::StackId": f"arn:{PARTITION}:cloudformation:{region}:{ACCOUNT}:stack/{stack_name}/{'0' * 8}",
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": "amazonaws.com",
    }


def references(resources: Mapping[str, Any], region: str, stack_name: str) -> dict[str, str]:
    """Return a value for each Ref to one of `resources`, by logical id."""
    return {
        name: attribute(item, name, "Arn" if item["Type"] in _REF_IS_ARN else "", region, stack_name)
        for name, item in resources.items()
    }


def attribute(resource: Mapping[str, Any], logical_id: str, name: str, region: str, stack_name: str) -> str:
    """Return a value for an attribute of a resource; an empty `name` means what Ref gives."""
    kind = str(resource["Type"])
    physical = f"{stack_name}-{logical_id}".lower()
    if kind == "AWS::KMS::Key":
        digest = _digest(physical, 32)
        physical = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
    elif kind in _ID_PREFIX and not name.endswith("Arn"):
        return f"{_ID_PREFIX[kind]}-{_digest(physical, 17)}"
    if name.endswith("Arn"):
        service, before = _ARN.get(kind, (kind.split("::")[1].lower(), ""))
        where, account = _GLOBAL.get(service, (region, ACCOUNT))
        return f"arn:{PARTITION}:{service}:{where}:{account}:{before}{physical}"
    if name.endswith("CidrBlock"):
        return str(resource.get("Properties", {}).get("CidrBlock", "10.0.0.0/16"))
    if name.endswith("Uri"):
        return f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{physical}"
    return f"{physical}-{name.lower()}" if name and name != "Name" else physical


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]
