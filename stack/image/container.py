"""The container image: built by docker/build.sh, pushed with the environment's own credentials."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.terminal import Terminal


def _run(words: list[str], what: str, env: dict[str, str] | None = None, stdin: str | None = None) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env, input=stdin or "")
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise ToolError(f"{what} failed: {said}")
    return done.stdout.strip()


def build(root: Path, tag: str, architecture: str, terminal: Terminal) -> str:
    """Build the image unless the engine has it already; return its local name. Raises a ToolError.

    `architecture` is amd64 or arm64, whatever the engine itself runs.
    """
    local = f"echo-room:{tag}"
    there = subprocess.run(["docker", "image", "inspect", local], capture_output=True, check=False)
    if there.returncode == 0:
        terminal.say(f"The image {local} is built already")
        return local
    script = root / "docker" / "build.sh"
    # Its progress goes straight to standard error, as ours does.
    done = subprocess.run(
        [str(script), local, tag, architecture],
        cwd=root,
        stdout=sys.stderr.fileno() if _has_stderr() else None,
        check=False,
    )
    if done.returncode != 0:
        raise ToolError(
            f"docker/build.sh could not build the image (exit code {done.returncode}); it says why above.",
            "Correct that and run the same command again. On the local cloud, RUNTIME=process needs none.",
        )
    return local


def _has_stderr() -> bool:
    try:
        sys.stderr.fileno()
    except (AttributeError, OSError):
        return False
    return True


def push(cloud: Cloud, local: str, uri: str, tag: str) -> None:
    """Push the local image to `uri`:`tag`, logged in for this one push only."""
    data = cloud.ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    host = uri.split("/", 1)[0]
    remote = f"{uri}:{tag}"
    _run(["docker", "tag", local, remote], f"Tagging {remote}")
    # A configuration of its own keeps the password off the disk's ~/.docker; the engine's address, which a
    # context may hold, has to be handed on.
    engine = os.environ.get("DOCKER_HOST") or _run(
        ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"],
        "Finding the Docker engine",
    )
    with tempfile.TemporaryDirectory(prefix="echo-room-docker-") as folder:
        env = {**os.environ, "DOCKER_CONFIG": folder}
        if engine:
            env["DOCKER_HOST"] = engine
        _run(
            ["docker", "login", "--username", user, "--password-stdin", host],
            f"Logging in to {host}",
            env,
            password,
        )
        _run(["docker", "push", "--quiet", remote], f"Pushing {remote}", env)
