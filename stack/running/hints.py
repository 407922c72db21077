"""What to do about failures whose cause is well known by the words AWS has for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_NO_LINKED_ROLE = (
    "The account has no service-linked role for ECS yet (its first use makes it, too late for this stack). "
    "Make it once: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com; "
    "make doctor ENV={env} looks for the others"
)
_NO_ROUTE = (
    "Tasks cannot reach ECR: their subnets need a way out or interface endpoints for ecr.api and ecr.dkr "
    "and a "
    'gateway endpoint for S3 (Egress = "endpoints" or "nat" in [parameters.network]), and security groups '
    "that let HTTPS through."
)
_NO_IMAGE = (
    "The image cannot be pulled. Is it there under that digest (make push ENV={env}), and may the "
    "execution role "
    "read its repository (RepositoryArn in [parameters.service] for another one)?"
)
_WRONG_PROCESSOR = (
    "The image is for another processor than the tasks have. Build it for theirs, or set Architecture in "
    "[parameters.service] to X86_64 or ARM64."
)
_UNREADABLE = (
    "A secret cannot be read. Does the ARN in [container] secrets exist, in this region, with that JSON "
    "key, and is "
    "there a way to it (SecretsManagerEndpoint or ParameterStoreEndpoint in [parameters.network])? A key "
    "of its own "
    "has to let the execution role decrypt."
)
_QUOTA = (
    "A quota of the account is used up. Which one, and how to ask for more: make doctor ENV={env}, or "
    "Service Quotas in the console, or "
    "aws service-quotas list-service-quotas --service-code <service>"
)
_NO_ADDRESSES = (
    "A subnet has no free addresses left. Lower MaxTasks in [parameters.service], or give the network a "
    "wider range "
    "(a new VPC); what else is in the subnets: aws ec2 describe-network-interfaces"
)
_WRONG_PATH = (
    "The container answers the health check, but not with 200. Correct HealthCheckPath in "
    "[parameters.service], or "
    "what the container answers there."
)
_WRONG_PORT = (
    "Nothing answers the health check. ContainerPort in [parameters.service] has to be the port that the "
    "container "
    "listens on, on all addresses (0.0.0.0), within GraceSeconds; its log is below."
)
_NO_MEMORY = "The container was killed for want of memory: raise Memory in [parameters.service]."
_CRASH = (
    "The container ends by itself: its exit code and last lines are below. "
    "To try it here: make serve, make compose-up."
)

_NO_POLICY = (
    "A policy that a role is to have does not exist in this account: correct its ARN "
    "(PermissionsBoundaryArn in the environment file is one), or make it first."
)
_NOT_ALLOWED = (
    "Whoever makes the resources lacks a right: role of the environment file where it has one, otherwise "
    "your own credentials. The message names the action."
)
_BOUNDS = "MinTasks may not be above MaxTasks in [parameters.service]."
_ALARM = (
    "The new version ran and did badly: see what it wrote while the alarm was on (make logs ENV={env} "
    "SINCE=1h), then correct it."
)

# The first line that matches wins, as a text may fit a wider one too.
_KNOWN = [
    (r"service.linked role", _NO_LINKED_ROLE),
    (r"exec format error|does not contain descriptor matching platform", _WRONG_PROCESSOR),
    (r"retrieve secrets? from (asm|ssm)|fetching secret|invalid ssm parameters", _UNREADABLE),
    (
        r"i/o timeout|request canceled while waiting|context deadline|RequestError: send request failed"
        r"|registry auth from Amazon ECR",
        _NO_ROUTE,
    ),
    (r"unable to pull secrets or registry auth", _UNREADABLE),
    (r"CannotPull(Container|Image|ECRContainer)Error|failed to resolve ref|manifest unknown", _NO_IMAGE),
    (
        r"(not have|no|insufficient|not enough) (enough )?free addresses|InsufficientFreeAddresses",
        _NO_ADDRESSES,
    ),
    (
        r"LimitExceeded|limit exceeded|ServiceQuotaExceeded|quota|TooMany(LoadBalancers|TargetGroups)"
        r"|maximum number of|You've reached the limit",
        _QUOTA,
    ),
    (r"does not exist or is not attachable", _NO_POLICY),
    (r"is not authorized to perform|AccessDenied(Exception)?\b|UnauthorizedOperation", _NOT_ALLOWED),
    (r"Maximum capacity cannot be less than minimum capacity", _BOUNDS),
    (r"alarm detected", _ALARM),
    (r"OutOfMemoryError|OutOfMemory: ", _NO_MEMORY),
    (r"Health checks failed with these codes", _WRONG_PATH),
    (
        r"\(reason (Health checks failed|Request timed out)\)|^(Health checks failed|Request timed out)$",
        _WRONG_PORT,
    ),
]
_PATTERNS = [(re.compile(pattern, re.IGNORECASE | re.DOTALL), hint) for pattern, hint in _KNOWN]
# Follows from nearly everything above, so it is said only where nothing else is.
_CRASHED = re.compile("Essential container in task exited", re.IGNORECASE)


def find(verdict: Mapping[str, Any]) -> list[str]:
    """Return what to do about the first cause, one thing; an empty list where it is no well-known one.

    A task that could not start is never healthy: what the balancer says counts only where tasks say nothing.
    """
    told = list(_of_tasks(verdict))
    crashed = _CRASH if any(_CRASHED.search(text) for text in told) else ""
    balancer = [*verdict["unhealthy_targets"].values(), *verdict["service_events"]]
    found = _first(told) or crashed or _first(balancer)
    return [found.format(env=verdict["environment"])] if found else []


def about(texts: Iterable[str], env: str) -> str:
    """What to do about the first of some texts that is well known, "" where none is."""
    return _first(texts).format(env=env)


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, map(_of, texts)), "")


def _of(text: str) -> str:
    return next((hint for pattern, hint in _PATTERNS if pattern.search(text)), "")


def _of_tasks(verdict: Mapping[str, Any]) -> Iterator[str]:
    yield verdict["cause"]
    for task in verdict["stopped_tasks"]:
        yield task["reason"]
        for container in task["containers"]:
            yield container["reason"]
        # A wrong processor is told by the container's log only, where the entry point is a script.
        yield from (line for line in task["log"] if "exec format error" in line)
