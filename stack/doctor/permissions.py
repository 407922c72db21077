"""Whether these credentials may do what the tool does, as far as IAM's simulator may be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stack.doctor.finding import Finding, Findings, Subject
from stack.recover.table import OUTPUT, beginning

NAME = "permissions"
# What `create`, `change`, `approve` and the commands that look call, by what it is called on.
ON_STACKS = (
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeEvents",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetStackPolicy",
    "cloudformation:GetTemplate",
    "cloudformation:ListChangeSets",
    "cloudformation:ListStackResources",
    "cloudformation:SetStackPolicy",
    "cloudformation:UpdateTerminationProtection",
)
ON_IMAGES = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
ON_ALL = ("ecr:GetAuthorizationToken", "ecs:ListTasks", "elasticloadbalancing:DescribeTargetHealth")
# Ends environments; whoever only changes them need not be able to.
TO_DELETE = ("cloudformation:DeleteStack",)
# What `restore` calls on the table and on the restored one. DynamoDB itself wants the caller to be allowed to
# read and write items of the restored one ("Using IAM with DynamoDB backup and restore", developer guide).
TO_RESTORE = (
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:GetItem",
    "dynamodb:ListTables",
    "dynamodb:ListTagsOfResource",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:RestoreTableToPointInTime",
    "dynamodb:Scan",
    "dynamodb:TagResource",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateItem",
    "dynamodb:UpdateTable",
    "dynamodb:UpdateTimeToLive",
)
_REPOSITORY = "AWS::ECR::Repository"


@dataclass(frozen=True)
class _Question:
    actions: tuple[str, ...]
    resources: tuple[str, ...]


def check(subject: Subject) -> Findings:
    """Ask for everything; name what is denied."""
    principal = _principal(subject)
    if not principal:
        yield Finding(
            NAME, "not known", f"{subject.arn} cannot be simulated: it is the root user or federated"
        )
        return
    denied: list[str] = []
    for question in _questions(subject):
        denied += _denied(subject, principal, question)
    others = {words: _denied(subject, principal, question) for words, question in by_others(subject).items()}
    count = sum(len(question.actions) for question in _questions(subject))
    if denied:
        yield Finding(
            NAME, "problem", f"not allowed: {', '.join(denied)}", f"Have them allowed for {principal}"
        )
        return
    saw = f"all {count} actions that the tool calls are allowed"
    for words, cannot in others.items():
        if cannot:
            saw += f", but not {', '.join(cannot)}: somebody else {words}"
    if not subject.cloud.environment.role:
        saw += "; CloudFormation makes resources with the same rights, which only making them shows"
    yield Finding(NAME, "ok", saw)


def _questions(subject: Subject) -> Iterator[_Question]:
    environment = subject.cloud.environment
    yield _Question(ON_STACKS, tuple(_stacks(subject)))
    if any(environment.builds_for(stack) for stack in environment.stacks):
        yield _Question(ON_IMAGES, tuple(_repositories(subject)))
    yield _Question(ON_ALL, ("*",))
    if environment.role:
        yield _Question(("iam:PassRole",), (environment.role,))


def by_others(subject: Subject) -> dict[str, _Question]:
    """What another role may be for, in words, and what it has to be allowed then."""
    found = {"ends environments": _Question(TO_DELETE, tuple(_stacks(subject)))}
    tables = tuple(_tables(subject))
    return {**found, "restores the table": _Question(TO_RESTORE, tables)} if tables else found


def _prefix(subject: Subject, service: str, stack: str) -> str:
    cloud = subject.cloud
    return f"arn:{cloud.partition}:{service}:{cloud.environment.region_of(stack)}:{subject.account}"


def _stacks(subject: Subject) -> Iterator[str]:
    """ARNs of the environment's stacks; of those to come, all but an id that nobody's policy can name."""
    for name, stack in subject.found.items():
        made_up = f"stack/{subject.cloud.environment.stack_name(name)}/00000000-0000-0000-0000-000000000000"
        yield stack.id if stack else f"{_prefix(subject, 'cloudformation', name)}:{made_up}"


def _tables(subject: Subject) -> Iterator[str]:
    """ARNs of the environment's tables and of of those restored from them; made up if not there yet."""
    for stack, template in subject.cloud.environment.templates.items():
        if OUTPUT in template.outputs:
            there = subject.found.get(stack)
            made_up = f"{subject.cloud.environment.stack_name(stack)}-Table-0"
            name = there.outputs.get(OUTPUT, made_up) if there else made_up
            for one in (name, f"{beginning(name)}0"):
                yield f"{_prefix(subject, 'dynamodb', stack)}:table/{one}"


def _repositories(subject: Subject) -> Iterator[str]:
    """ARNs like those that CloudFormation gives to repositories without a name of their own."""
    for stack, template in subject.templates.items():
        for logical_id in template.of_type(_REPOSITORY):
            name = f"{subject.cloud.environment.stack_name(stack)}-{logical_id}-0".lower()
            yield f"{_prefix(subject, 'ecr', stack)}:repository/{name}"


def _principal(subject: Subject) -> str:
    """ARN of the user or role to simulate, "" for none; a session's ARN has lost its role's path."""
    kind, _, rest = subject.arn.rpartition(":")[2].partition("/")
    if kind == "user":
        return subject.arn
    if kind != "assumed-role":
        return ""
    role: Any = subject.cloud.cached("iam").get_role(RoleName=rest.split("/")[0])
    return str(role["Role"]["Arn"])


def _denied(subject: Subject, principal: str, question: _Question) -> list[str]:
    """Actions that are denied on some of the resources, though everything is known that decides it."""
    environment = subject.cloud.environment
    context = {
        "aws:RequestedRegion": environment.region,
        "iam:PassedToService": "cloudformation.amazonaws.com",
        **({"cloudformation:RoleArn": environment.role} if environment.role else {}),
    }
    pages = (
        subject.cloud.cached("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(
            PolicySourceArn=principal,
            ActionNames=list(question.actions),
            ResourceArns=list(question.resources),
            ContextEntries=[
                {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
                for key, value in context.items()
            ],
        )
    )
    results = [result for page in pages for result in page["EvaluationResults"]]
    denied = [
        result["EvalActionName"]
        for result in results
        if result["EvalDecision"] != "allowed" and not result.get("MissingContextValues")
    ]
    return list(dict.fromkeys(denied))
