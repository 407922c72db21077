"""What to do about well-known failures, from the words in which AWS and ECS told them."""

from __future__ import annotations

from typing import Any

import pytest

from stack.running import hints

ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/echo"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"


def verdict(where: str, text: str) -> dict[str, Any]:
    task: dict[str, Any] = {"reason": "", "containers": [{"reason": ""}], "log": []}
    made: dict[str, Any] = {
        "environment": "prod",
        "cause": "Service of echo-room-prod-service failed: ECS Deployment Circuit Breaker was triggered.",
        "stopped_tasks": [task],
        "unhealthy_targets": {},
        "service_events": [],
    }
    if where == "cause":
        made["cause"] = text
    elif where == "stopped":
        task["reason"] = text
    elif where == "container":
        task["containers"][0]["reason"] = text
    elif where == "log":
        task["log"] = ["starting", text]
    elif where == "target":
        made["unhealthy_targets"] = {"10.0.0.1:8080": text}
    else:
        made["service_events"] = [text]
    return made


@pytest.mark.parametrize(
    ("where", "text", "said"),
    [
        (
            "cause",
            'Resource handler returned message: "Unable to assume the service linked role. Please verify '
            "that the "
            'ECS service linked role exists. (Service: AmazonECS; Status Code: 400)"',
            "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
        ),
        (
            "stopped",
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to "
            f"resolve ref {ECR}"
            f"@sha256:0: {ECR}@sha256:0: not found",
            "make push ENV=prod",
        ),
        (
            "stopped",
            f"CannotPullContainerError: ref pull has been retried 1 time(s): failed to resolve ref {ECR}:1: "
            "unexpected status from HEAD request: 403 Forbidden",
            "RepositoryArn",
        ),
        (
            "stopped",
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
            "retrieval "
            "failed: unable to retrieve ecr registry auth: service call has been retried 3 time(s): "
            "RequestError: "
            "send request failed caused by: Post https://api.ecr.us-east-1.amazonaws.com/: dial tcp: i/o "
            "timeout",
            "cannot reach ECR",
        ),
        (
            "stopped",
            "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull "
            "registry "
            "auth from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check "
            "your task "
            "network configuration.",
            "cannot reach ECR",
        ),
        (
            "container",
            "CannotPullContainerError: Error response from daemon: Get https://x/v2/: net/http: request "
            "canceled "
            "while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            "cannot reach ECR",
        ),
        (
            "stopped",
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
            "retrieval "
            "failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed "
            "to fetch "
            f"secret {SECRET} from secrets manager: ResourceNotFoundException: Secrets Manager can't find it",
            "A secret cannot be read",
        ),
        (
            "stopped",
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
            "retrieval "
            "failed: unable to retrieve secret from asm: service call has been retried 5 time(s): "
            "RequestError: "
            "send request failed caused by: Post https://secretsmanager.us-east-1.amazonaws.com/: i/o "
            "timeout",
            "SecretsManagerEndpoint",
        ),
        ("log", "exec /usr/local/bin/python3: exec format error", "Architecture"),
        (
            "stopped",
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): image Manifest "
            "does not "
            "contain descriptor matching platform 'linux/arm64'",
            "Architecture",
        ),
        (
            "event",
            "(service s) (port 8080) is unhealthy in (target-group arn:tg) due to (reason Health checks "
            "failed "
            "with these codes: [404]).",
            "HealthCheckPath",
        ),
        ("target", "Health checks failed with these codes: [503]", "HealthCheckPath"),
        ("target", "Request timed out", "ContainerPort"),
        (
            "event",
            "(service s) (port 9) is unhealthy in (target-group arn:tg) due to (reason Health checks "
            "failed).",
            "ContainerPort",
        ),
        ("container", "OutOfMemoryError: Container killed due to memory usage", "Memory"),
        (
            "cause",
            'Resource handler returned message: "The maximum number of VPCs has been reached. (Service: Ec2, '
            'Status Code: 400)" (HandlerErrorCode: ServiceLimitExceeded)',
            "Service Quotas",
        ),
        (
            "event",
            "(service s) was unable to place a task. Reason: You've reached the limit on the number of "
            "vCPUs you "
            "can run concurrently.",
            "Service Quotas",
        ),
        (
            "cause",
            "Not enough free addresses in subnet subnet-1 to satisfy the requested number of instances. "
            "(Error Code: InsufficientFreeAddressesInSubnet)",
            "no free addresses",
        ),
        ("stopped", "Essential container in task exited", "ends by itself"),
    ],
)
def test_a_well_known_cause_is_told_with_what_to_do(where, text, said):
    (hint,) = hints.find(verdict(where, text))
    assert said in hint


@pytest.mark.parametrize(
    "text",
    [
        "ECS Deployment Circuit Breaker was triggered.",
        "Scaling activity initiated by (deployment ecs-svc/1)",
        "Resource creation cancelled",
        "Health checks passed",
    ],
)
def test_what_is_not_known_gets_no_hint(text):
    assert hints.find(verdict("event", text)) == []


def test_a_crash_is_no_cause_where_there_is_a_better_one():
    made = verdict("stopped", "Essential container in task exited")
    made["stopped_tasks"][0]["log"] = ["exec /srv/app: exec format error"]
    (hint,) = hints.find(made)
    assert "another processor" in hint


def test_what_tasks_say_counts_before_what_the_balancer_says_and_nothing_twice():
    made = verdict("target", "Request timed out")
    made["stopped_tasks"] = [{"reason": f"CannotPullContainerError: {ECR}", "containers": [], "log": []}] * 2
    (hint,) = hints.find(made)
    assert "The image cannot be pulled" in hint
    made["stopped_tasks"] = [{"reason": "Essential container in task exited", "containers": [], "log": []}]
    (hint,) = hints.find(made)
    assert "ends by itself" in hint
