"""IAM policies in resolved templates: nothing may be done by anybody, to anything, without a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stack.scan.policy import Violation
from stack.scan.templates import Resolved

RULES = {
    "AnyAction": "allows every action of a service",
    "AnyResource": 'allows its actions on every resource ("*") under no condition',
    "AllBut": "allows everything but what it lists (NotAction, NotResource, NotPrincipal)",
    "AnyPrincipal": "lets everybody in under no condition",
}
_NEXT = {
    "AnyAction": "List the actions that are needed.",
    "AnyResource": "Name the resources, or add a condition; where an action knows no resources, say so.",
    "AllBut": "List what is allowed.",
    "AnyPrincipal": "Name who may, or add a condition such as aws:PrincipalAccount.",
}
# Policies that say what an identity may do, by type and property; `Policies` holds several.
_IDENTITY = {
    "AWS::IAM::Group": "Policies",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
    "AWS::IAM::Policy": "PolicyDocument",
    "AWS::IAM::Role": "Policies",
    "AWS::IAM::User": "Policies",
}
# Policies that say who may use a resource; there "*" as the resource means the one they belong to.
_RESOURCE = {
    "AWS::EC2::VPCEndpoint": "PolicyDocument",
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::IAM::Role": "AssumeRolePolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::Logs::ResourcePolicy": "PolicyDocument",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
}


def violations(template: Resolved) -> list[Violation]:
    """Check every policy in one template. A resource has each rule's violation at most once."""
    found: dict[tuple[str, str], Violation] = {}
    for name, resource in template.resources.items():
        for document, identity in _documents(resource):
            for statement in statements(document):
                for rule in _broken(statement, identity=identity):
                    found[name, rule] = Violation(
                        tool="iam",
                        rule=rule,
                        environment=template.environment,
                        stack=template.stack,
                        resource=name,
                        where=template.where(name),
                        what=f"{statement.get('Sid', 'a statement')} {RULES[rule]}",
                        next=_NEXT[rule],
                    )
    return list(found.values())


def statements(document: Any) -> list[Mapping[str, Any]]:
    """Return a policy document's statements; one may stand without a list."""
    found = document.get("Statement", []) if isinstance(document, dict) else []
    return found if isinstance(found, list) else [found]


def _documents(resource: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    """A resource's policy documents, each with whether it belongs to an identity."""
    properties = resource.get("Properties", {})
    kind = resource["Type"]
    if kind in _IDENTITY:
        policies = properties.get(_IDENTITY[kind], [])
        for policy in policies if isinstance(policies, list) else [{"PolicyDocument": policies}]:
            yield policy["PolicyDocument"], True
    if kind in _RESOURCE:
        yield properties.get(_RESOURCE[kind], {}), False


def _broken(statement: Mapping[str, Any], *, identity: bool) -> Iterator[str]:
    if statement.get("Effect") != "Allow":
        return
    if {"NotAction", "NotResource", "NotPrincipal"} & statement.keys():
        yield "AllBut"
    conditional = bool(statement.get("Condition"))
    if identity:
        if any(str(action).partition(":")[2] in ("", "*") for action in _listed(statement.get("Action", []))):
            yield "AnyAction"
        if "*" in _listed(statement.get("Resource", [])) and not conditional:
            yield "AnyResource"
    elif not conditional:
        principal = statement.get("Principal", {})
        values = principal.values() if isinstance(principal, dict) else [principal]
        if any("*" in _listed(value) for value in values):
            yield "AnyPrincipal"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
