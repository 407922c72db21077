"""What CI may do: enough for every resource of the stacks, and nothing that would let it give itself more."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from localcloud import schemas
from stack.files import templates
from stack.scan.resolve import resolve
from stack.scan.standins import ACCOUNT, pseudo_parameters

ROOT = Path(__file__).parents[2]
DEPLOYED = (
    "registry", "data", "network", "edge", "service", "monitoring", "probe", "slo", "dashboard", "health",
)  # fmt: skip
STACK = "echo-room-account-pipeline"
# IAM takes so many characters of a managed policy, white space not counted.
LARGEST_POLICY = 6144
# A call of the operator's tool: service, then a paginator's operation or a method.
CALL = re.compile(
    r'cloud(?:\.(?:of|within)\([^)]*\))?\.(cloudformation|cloudwatch|ecr|ecs|elbv2|logs)\.(?:get_paginator\(\s*"([a-z_]+)"|([a-z_]+)\()'
)
IAM_NAMES = {"elbv2": "elasticloadbalancing"}
# What takes a person: deletions, commands in tasks, drills, looking around.
FOR_PEOPLE = {
    "cloudformation:cancelupdatestack",
    "cloudformation:deletestack",
    "cloudformation:describestackdriftdetectionstatus",
    "cloudformation:describestackresourcedrifts",
    "cloudformation:detectstackdrift",
    "cloudwatch:describealarmhistory",
    "cloudwatch:getdashboard",
    "cloudwatch:getmetricdata",
    "ecr:batchdeleteimage",
    "ecs:executecommand",
    "ecs:stoptask",
    # Only of an endpoint whose names are in no DNS.
    "elasticloadbalancing:describeloadbalancers",
    "logs:filterlogevents",
}
# What CloudFormation would need for properties that these templates do not use: beginnings of actions.
NOT_USED = {
    "AWS::ApplicationAutoScaling::ScalableTarget": ["lambda"],
    "AWS::ApplicationSignals::ServiceLevelObjective": ["rum"],
    "AWS::CertificateManager::Certificate": ["acm-pca"],
    "AWS::DynamoDB::GlobalTable": [
        "application-autoscaling:Delete", "application-autoscaling:Deregister",
        "application-autoscaling:Put", "application-autoscaling:Register",
        "dynamodb:DeleteResourcePolicy", "dynamodb:DisableKinesisStreamingDestination",
        "dynamodb:DisassociateTableReplica", "dynamodb:EnableKinesisStreamingDestination",
        "dynamodb:PutResourcePolicy", "dynamodb:UpdateContributorInsights",
        "dynamodb:UpdateKinesisStreamingDestination", "dynamodb:UpdateTableReplicaAutoScaling", "kinesis",
    ],
    "AWS::EC2::EIP": ["ec2:AcceptAddressTransfer", "ec2:AssociateAddress"],
    "AWS::EC2::FlowLog": ["autoscaling"],
    "AWS::EC2::NatGateway": [
        "ec2:AssignPrivateNatGatewayAddress", "ec2:AssociateNatGatewayAddress",
        "ec2:DisassociateNatGatewayAddress", "ec2:UnassignPrivateNatGatewayAddress",
    ],
    "AWS::EC2::SubnetRouteTableAssociation": ["ec2:ReplaceRouteTableAssociation"],
    "AWS::EC2::VPC": ["ec2:CreateVpcEncryptionControl", "ec2:ModifyVpcTenancy"],
    "AWS::EC2::VPCCidrBlock": ["ec2:AllocateIpamPoolCidr"],
    "AWS::EC2::VPCEndpoint": ["vpc-lattice", "vpce"],
    "AWS::EC2::VPCGatewayAttachment": ["ec2:AttachVpnGateway", "ec2:DetachVpnGateway"],
    "AWS::ECR::Repository": ["ecr:DeleteRepositoryPolicy", "ecr:SetRepositoryPolicy", "kms:RetireGrant"],
    "AWS::ECS::Cluster": ["ecs:PutAccountSetting"],
    "AWS::ElasticLoadBalancingV2::Listener": ["cognito-idp"],
    "AWS::ElasticLoadBalancingV2::ListenerRule": ["cognito-idp"],
    "AWS::ElasticLoadBalancingV2::LoadBalancer": [
        "elasticloadbalancing:ModifyCapacityReservation", "elasticloadbalancing:ModifyIpPools",
    ],
    "AWS::IAM::ManagedPolicy": [
        "iam:AttachGroupPolicy", "iam:AttachUserPolicy", "iam:DetachGroupPolicy", "iam:DetachUserPolicy",
    ],
    # Not because it is not needed, but because it would undo the boundary.
    "AWS::IAM::Role": ["iam:DeleteRolePermissionsBoundary"],
    # A key outlives its stack, so CloudFormation never has to end one.
    "AWS::KMS::Key": ["kms:DisableKey", "kms:EnableKey", "kms:ScheduleKeyDeletion"],
    "AWS::Logs::LogGroup": [
        "firehose", "logs:DeleteDataProtectionPolicy", "logs:DeleteIndexPolicy", "logs:DeleteResourcePolicy",
        "logs:PutBearerTokenAuthentication", "logs:PutDataProtectionPolicy", "logs:PutIndexPolicy",
        "logs:PutLogGroupDeletionProtection", "s3",
    ],
    "AWS::Route53::HealthCheck": ["route53-recovery-control-config"],
    "AWS::SNS::Topic": ["sns:PutDataProtectionPolicy"],
    "AWS::Route53::RecordSet": ["route53:ListHostedZones"],
    "AWS::S3::Bucket": [
        "s3:CreateBucketMetadata", "s3:DeleteBucketAnalytics", "s3:DeleteBucketCors",
        "s3:DeleteBucketEncryption", "s3:DeleteBucketLifecycle", "s3:DeleteBucketMetadata",
        "s3:DeleteBucketMetrics", "s3:DeleteBucketReplication", "s3:DeleteBucketWebsite", "s3:DeleteObject",
        "s3:GetObject", "s3:ListBucket", "s3:PutAccelerate", "s3:PutAnalytics", "s3:PutBucketAbac",
        "s3:PutBucketAcl", "s3:PutBucketCORS", "s3:PutBucketLogging", "s3:PutBucketObjectLock",
        "s3:PutBucketReplication", "s3:PutBucketWebsite", "s3:PutIntelligentTiering", "s3:PutInventory",
        "s3:PutMetrics", "s3:PutObject", "s3:PutReplication", "s3:UpdateBucketMetadata", "s3tables",
    ],
    "AWS::WAFv2::LoggingConfiguration": ["firehose", "iam:DescribeOrganization"],
    "AWS::WAFv2::WebACL": ["payments"],
    # Resources of other services that a web ACL can stand in front of.
    "AWS::WAFv2::WebACLAssociation": [
        "amplify", "apigateway", "apprunner", "appsync", "bedrock-agentcore", "cognito-idp", "ec2",
        "wafv2:GetPermissionPolicy", "wafv2:PutPermissionPolicy",
    ],
}  # fmt: skip


@cache
def parsed(stack: str) -> dict[str, Any]:
    return templates.parse((ROOT / "cloudformation" / f"{stack}.yaml").read_text())


def pipeline(**choice: str) -> dict[str, Any]:
    """Resources of the pipeline stack with these parameters, the others by default."""
    values = {name: item.get("Default") for name, item in parsed("pipeline")["Parameters"].items()}
    values |= {"Repository": "acme/echo", **choice}
    return resolve(parsed("pipeline"), {**pseudo_parameters("us-east-1", STACK), **values})["Resources"]


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    return pipeline(HostedZoneId="Z0123456789EXAMPLE")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every policy statement in a part of a template."""
    if isinstance(value, dict):
        if "Effect" in value and "Action" in value:
            yield value
        for item in value.values():
            yield from statements(item)
    elif isinstance(value, list):
        for item in value:
            yield from statements(item)


def policies_of(role: str, resources: dict[str, Any]) -> list[dict[str, Any]]:
    names = [item["Ref"] for item in resources[role]["Properties"]["ManagedPolicyArns"]]
    return [
        statement
        for name in names
        for statement in statements(resources[name]["Properties"]["PolicyDocument"])
    ]


def allowed(found: list[dict[str, Any]]) -> set[str]:
    """Actions, in small letters as IAM compares them."""
    return {
        action.lower()
        for statement in found
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }


def needed(kind: str) -> set[str]:
    """What CloudFormation calls to handle resources of this type, by AWS's schema."""
    schema = schemas.schema(kind)
    assert schema, kind
    return {
        action
        for name, handler in schema.get("handlers", {}).items()
        if name != "list"
        for action in handler.get("permissions", [])
    }


def test_cloudformation_may_do_what_every_resource_needs(resources: dict[str, Any]) -> None:
    may = allowed(policies_of("StackRole", resources))
    for stack in DEPLOYED:
        for kind in sorted({item["Type"] for item in parsed(stack)["Resources"].values()}):
            not_used = tuple(NOT_USED.get(kind, ()))
            missing = {
                action
                for action in needed(kind)
                if action.lower() not in may and not action.startswith(not_used)
            }
            assert not missing, f"{kind} in {stack}.yaml"


def test_the_boundary_covers_the_roles_of_the_stacks(resources: dict[str, Any]) -> None:
    bound = allowed(list(statements(resources["Boundary"]["Properties"]["PolicyDocument"])))
    for stack in DEPLOYED:
        for name, item in parsed(stack)["Resources"].items():
            if item["Type"] in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
                beyond = allowed(list(statements(item["Properties"]["PolicyDocument"]))) - bound
                assert not beyond, f"{stack}.{name}"


def test_only_one_branch_of_one_repository_gets_in(resources: dict[str, Any]) -> None:
    (statement,) = statements(resources["DeployRole"]["Properties"]["AssumeRolePolicyDocument"])
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:acme/echo:ref:refs/heads/main",
        }
    }


@pytest.mark.parametrize("value", ["acme/*", "acme", "*/echo", "acme/echo:pull_request", "acme/echo?"])
def test_a_repository_is_named_without_wildcards(value: str) -> None:
    assert (
        templates.make("pipeline", ROOT, json.dumps(parsed("pipeline")))
        .parameters["Repository"]
        .refusal(value)
    )


def test_roles_are_made_with_the_boundary_only(resources: dict[str, Any]) -> None:
    raising = {
        "iam:createrole",
        "iam:putrolepolicy",
        "iam:attachrolepolicy",
        "iam:putrolepermissionsboundary",
    }
    for statement in policies_of("StackRole", resources):
        if statement["Effect"] == "Allow" and raising & allowed([statement]):
            assert statement["Condition"] == {
                "StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}
            }
    assert "iam:deleterolepermissionsboundary" not in allowed(policies_of("StackRole", resources))


def test_the_roles_cannot_change_themselves(resources: dict[str, Any]) -> None:
    own = {f"arn:aws:iam::{ACCOUNT}:{kind}/{STACK}-*" for kind in ("role", "policy")}
    denied = [item for item in policies_of("StackRole", resources) if item["Effect"] == "Deny"]
    (denial,) = [item for item in denied if set(item["Resource"]) == own]
    writes = {
        action
        for action in allowed(policies_of("StackRole", resources))
        if action.startswith("iam:") and not action.split(":")[1].startswith(("get", "list", "tag", "untag"))
    }
    harmless = {
        "iam:createrole",
        "iam:createpolicy",
        "iam:createservicelinkedrole",
        "iam:updateroledescription",
    }
    assert {action.lower() for action in denial["Action"]} == writes - harmless


def test_a_workflow_may_do_what_the_tool_calls(resources: dict[str, Any]) -> None:
    source = "".join(file.read_text() for file in (ROOT / "stack").rglob("*.py"))
    called = {
        f"{IAM_NAMES.get(service, service)}:{(paginated or method).replace('_', '')}"
        for service, paginated, method in CALL.findall(source)
    }
    assert len(called) >= 20
    assert called - allowed(policies_of("DeployRole", resources)) == FOR_PEOPLE


def test_no_workflow_ends_an_environment(resources: dict[str, Any]) -> None:
    may = allowed(policies_of("DeployRole", resources))
    assert "cloudformation:executechangeset" in may
    assert not {"cloudformation:deletestack", "ecr:batchdeleteimage", "dynamodb:deletetable"} & may


def test_names_are_written_in_the_given_zone_only() -> None:
    def zones(resources: dict[str, Any]) -> list[Any]:
        return [
            item["Resource"]
            for item in policies_of("StackRole", resources)
            if "route53:changeresourcerecordsets" in allowed([item])
        ]

    assert zones(pipeline()) == []
    assert zones(pipeline(HostedZoneId="Z1")) == ["arn:aws:route53:::hostedzone/Z1"]


def test_policies_are_as_large_as_iam_takes(resources: dict[str, Any]) -> None:
    for name, item in resources.items():
        if item["Type"] == "AWS::IAM::ManagedPolicy":
            assert (
                len(json.dumps(item["Properties"]["PolicyDocument"], separators=(",", ":"))) <= LARGEST_POLICY
            ), name
