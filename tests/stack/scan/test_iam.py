"""What an IAM policy may say without a reason."""

from typing import Any

import pytest

from stack.scan.iam import violations
from tests.stack.scan.policies import resolved

CONDITION = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}


def broken(kind: str, properties: dict[str, Any]) -> set[str]:
    return {one.rule for one in violations(resolved({"It": {"Type": kind, "Properties": properties}}))}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}, set()),
        ({"Action": ["s3:Get*"], "Resource": "arn:aws:s3:::b/*"}, set()),
        ({"Action": "*", "Resource": "arn:aws:s3:::b"}, {"AnyAction"}),
        ({"Action": ["s3:GetObject", "s3:*"], "Resource": "arn:aws:s3:::b"}, {"AnyAction"}),
        ({"Action": "ecr:GetAuthorizationToken", "Resource": "*"}, {"AnyResource"}),
        ({"Action": "ecr:GetAuthorizationToken", "Resource": ["*"], "Condition": CONDITION}, set()),
        ({"Action": "*", "Resource": "*"}, {"AnyAction", "AnyResource"}),
        ({"NotAction": "iam:*", "Resource": "arn:aws:s3:::b"}, {"AllBut"}),
        ({"Action": "s3:GetObject", "NotResource": "arn:aws:s3:::b"}, {"AllBut"}),
        ({"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}, set()),
    ],
)
@pytest.mark.parametrize("kind", ["AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Role"])
def test_policies_of_identities(kind: str, statement: dict[str, Any], expected: set[str]) -> None:
    document = {"Statement": [{"Effect": "Allow", **statement}]}
    inline = {"Policies": [{"PolicyName": "p", "PolicyDocument": document}]}
    assert broken(kind, inline if kind == "AWS::IAM::Role" else {"PolicyDocument": document}) == expected


@pytest.mark.parametrize(
    ("principal", "condition", "expected"),
    [
        ({"Service": "ecs-tasks.amazonaws.com"}, None, set()),
        ("*", None, {"AnyPrincipal"}),
        ({"AWS": "*"}, None, {"AnyPrincipal"}),
        ({"AWS": ["arn:aws:iam::111122223333:root", "*"]}, None, {"AnyPrincipal"}),
        ({"AWS": "*"}, CONDITION, set()),
    ],
)
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("AWS::IAM::Role", "AssumeRolePolicyDocument"),
        ("AWS::KMS::Key", "KeyPolicy"),
        ("AWS::S3::BucketPolicy", "PolicyDocument"),
        ("AWS::EC2::VPCEndpoint", "PolicyDocument"),
    ],
)
def test_policies_of_resources(
    kind: str, key: str, principal: Any, condition: Any, expected: set[str]
) -> None:
    """There an action or resource "*" means this resource: who is let in is what counts."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": principal}
    if condition:
        statement["Condition"] = condition
    assert broken(kind, {key: {"Statement": statement}}) == expected


def test_a_violation_names_the_statement_and_what_to_do() -> None:
    document = {"Statement": [{"Sid": "Login", "Effect": "Allow", "Action": "a:b", "Resource": "*"}]}
    template = resolved({"It": {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": document}}})
    (one,) = violations(template)
    assert (one.tool, one.stack, one.resource) == ("iam", "part", "It")
    assert one.where == "cloudformation/part.yaml:7 It"
    assert one.what.startswith("Login allows its actions on every resource")
    assert one.next
