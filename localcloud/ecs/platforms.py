"""Processor architectures: the task definition's, the image's and the machine's have to be the same."""

from __future__ import annotations

import platform

from localcloud.ecs.images import CannotPullError, no_platform
from localcloud.ecs.records import Record

#: RuntimePlatform's words, and the system's, in the words of images.
_WORDS = {"X86_64": "amd64", "ARM64": "arm64", "x86_64": "amd64", "aarch64": "arm64"}


def of_machine(word: str = "") -> str:
    """This machine's architecture, or that of a machine that calls it `word`, as images call it."""
    found = word or platform.machine()
    return _WORDS.get(found, found)


def of_definition(definition: Record) -> str:
    """The architecture that a task definition asks for."""
    asked = (definition.get("runtimePlatform") or {}).get("cpuArchitecture") or "X86_64"
    return _WORDS.get(asked, str(asked))


def check(image: str, wanted: str, machine: str) -> None:
    """Compare the architectures of an image, its task definition and the machine.

    Raises CannotPullError in the words that Fargate has for it.
    """
    if image != wanted:
        raise no_platform(
            wanted, f"it is for linux/{image}; the task definition's RuntimePlatform has to say the same"
        )
    if wanted != machine:
        raise CannotPullError(
            f"CannotStartContainerError: exec format error: the image is for linux/{image}, and what runs "
            f"tasks here is linux/{machine}. Choose its architecture for this environment."
        )
