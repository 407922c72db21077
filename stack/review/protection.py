"""Termination protection: the stacks of an environment follow its file, and nothing else lifts it."""

from __future__ import annotations

from collections.abc import Iterable

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import COMPLETE, Stack
from stack.errors import refused
from stack.terminal import Terminal


def differing(cloud: Cloud, found: Iterable[Stack | None]) -> list[Stack]:
    """Complete stacks that are protected otherwise than the file says; none where it says nothing."""
    wanted = cloud.environment.termination_protection
    if wanted is None:
        return []
    return [stack for stack in found if stack and stack.status in COMPLETE and stack.protected != wanted]


def in_words(cloud: Cloud, differ: Iterable[Stack]) -> str:
    """Say what following the file would do; an empty string where it would do nothing."""
    names = ", ".join(stack.name for stack in differ)
    verb = "on" if cloud.environment.termination_protection else "off"
    return f"Termination protection is switched {verb} for {names}" if names else ""


def follow(cloud: Cloud, terminal: Terminal) -> list[Stack]:
    """Bring the complete stacks' protection to what the file says; return those that were changed."""
    wanted = cloud.environment.termination_protection
    if wanted is None:
        return []
    differ = differing(cloud, stacks.describe_all(cloud).values())
    for stack in differ:
        cloud.of(stack.id).cloudformation.update_termination_protection(
            StackName=stack.name, EnableTerminationProtection=wanted
        )
    if differ:
        terminal.say(in_words(cloud, differ))
    return differ


def check_deletable(cloud: Cloud, found: Iterable[Stack]) -> None:
    """Raise when a stack is protected: lifting that is a change of the file, approved as any other."""
    protected = [stack.name for stack in found if stack.protected]
    if not protected:
        return
    environment = cloud.environment
    raise refused(
        f"{', '.join(protected)} may not be deleted: termination protection is on. Nothing was deleted.",
        f"If {environment.name} is really to go: set termination_protection = false in {environment.file}\n"
        f"  make change ENV={environment.name} NAME=unprotect\n"
        f"  make approve ENV={environment.name} NAME=unprotect\n"
        f"  make delete ENV={environment.name}",
    )
