"""This machine: Python, the Docker engine, the plugin for sessions into tasks."""

from __future__ import annotations

import platform
import sys

from stack.doctor.finding import Finding, Findings, Subject
from stack.errors import ToolError
from stack.image import engine, pin
from stack.now import execute

_PYTHON = (3, 11)
_BUILDS_FOR = ("amd64", "arm64")


def python(_: Subject) -> Findings:
    """Whether it is new enough."""
    wanted = ".".join(map(str, _PYTHON))
    if sys.version_info < _PYTHON:
        yield Finding(
            "Python",
            "problem",
            f"{platform.python_version()}; {wanted} or newer is needed",
            "Name another one: make PYTHON=python3.13 ...",
        )
    else:
        yield Finding("Python", "ok", f"{platform.python_version()} ({sys.executable})")


def docker(subject: Subject) -> Findings:
    """Whether an engine answers that can build for the processor of the environment's tasks."""
    environment = subject.cloud.environment
    name = "Docker engine"
    if not any(environment.builds_for(stack) for stack in environment.stacks):
        yield Finding(name, "not needed", f"{environment.name} builds no image")
        return
    found = engine.detect()
    wanted = pin.architecture(environment) or found.architecture
    if found.state == "works" and wanted in _BUILDS_FOR:
        yield Finding(name, "ok", f"it answers ({found.architecture}); images are built for {wanted}")
    elif found.state == "works":
        yield Finding(
            name,
            "problem",
            f"it answers, but images are made for {' and '.join(_BUILDS_FOR)}, not for {wanted}",
            "Set Architecture in [parameters.service] to X86_64 or ARM64.",
        )
    elif environment.endpoint and environment.endpoint.process_images:
        yield Finding(name, "not needed", f"{found.detail}; tasks run as processes here")
    else:
        yield Finding(
            name,
            "problem",
            f"it does not work: {found.detail}",
            "Start Docker, or set DOCKER_HOST; `docker version` has to name a server.",
        )


def plugin(subject: Subject) -> Findings:
    """Whether the session manager plugin is there, where `make exec` can be used."""
    name = "session manager plugin"
    if subject.cloud.environment.endpoint:
        yield Finding(name, "not needed", f"{subject.cloud.where} has no sessions into tasks")
    elif subject.setting("ExecuteCommand") != "on":
        yield Finding(name, "not needed", "ExecuteCommand is off")
    else:
        try:
            version = execute.plugin_version()
        except ToolError as error:
            yield Finding(name, "problem", error.message, error.hint)
        else:
            yield Finding(name, "ok", version)
