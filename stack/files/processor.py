"""Names of processors: CloudFormation's, and those of images."""

from __future__ import annotations

import platform

# CloudFormation's name -> the one in an image's configuration.
IN_IMAGES = {"X86_64": "amd64", "ARM64": "arm64"}
_MACHINES = {"x86_64": "X86_64", "amd64": "X86_64", "aarch64": "ARM64", "arm64": "ARM64"}


def of_this_machine() -> str:
    """CloudFormation's name of this machine's processor; empty for one that it does not know."""
    return _MACHINES.get(platform.machine().lower(), "")
