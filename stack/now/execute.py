"""A command in a running task, by ECS Exec: checks what it needs, then hands the session to its plugin."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from typing import Any

from stack.aws.clients import Cloud
from stack.errors import OK, ToolError, nearest, refused, usage
from stack.now import tasks
from stack.now.tasks import Service
from stack.terminal import Terminal

PLUGIN = "session-manager-plugin"
_INSTALL = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
# The last one that takes the session as an argument only, which everybody on this machine could read.
_TOO_OLD = (1, 2, 497, 0)
_SESSION = "AWS_SSM_START_SESSION_RESPONSE"
# The image of this project has no shell: what it does have is Python and the service.
_COMMAND = "python3 -m app settings"
# What keys send: they are the command's in the task.
_TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)


def run(cloud: Cloud, terminal: Terminal, task: str, command: str) -> int:
    """Run `command` in a task (how its id begins; else the first that runs) and return 0.

    Raises a refused ToolError (nothing was done) where ECS Exec is off or something is missing.
    """
    if cloud.environment.endpoint:
        raise refused(
            f"{cloud.where} has no sessions into tasks.",
            "Where tasks are containers: docker ps, then docker exec CONTAINER python3 -m app settings",
        )
    if not command and cloud.environment.container.image:
        raise usage("It is not said what to run.", "Give it with CMD= (or --command).")
    plugin_version()
    service, chosen = _choose(cloud, task)
    if not service.execute_command:
        raise refused(
            f"ExecuteCommand is off, so {cloud.environment.name} lets nobody into its tasks.",
            'Put ExecuteCommand = "on" into [parameters.service] of its file (with Egress endpoints also '
            "ExecuteCommandEndpoint = true into [parameters.network]), then make change and make approve.",
        )
    command = command or _COMMAND
    terminal.say(f"In the task {chosen}: {command}")
    answer = cloud.ecs.execute_command(
        cluster=service.cluster, task=chosen, command=command, interactive=True
    )
    return _session(cloud, service, answer)


def plugin_version() -> str:
    """Return the installed plugin's version; raise a refused ToolError for none, or one that is unsafe."""
    if shutil.which(PLUGIN) is None:
        raise refused(f"{PLUGIN} is not installed; sessions into tasks go through it.", f"See {_INSTALL}")
    said = subprocess.run([PLUGIN, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not re.fullmatch(r"\d+(\.\d+){3}", said) or tuple(map(int, said.split("."))) <= _TOO_OLD:
        raise refused(
            f"{PLUGIN} {said or 'of an unknown version'} is too old: it takes the session's token as an "
            "argument, which everybody on this machine can read.",
            f"Install one that is newer than {'.'.join(map(str, _TOO_OLD))}: {_INSTALL}",
        )
    return said


def _choose(cloud: Cloud, task: str) -> tuple[Service, str]:
    """Find the one running task whose id begins with `task`; the first, if that is empty."""
    running = [
        (service, one.id)
        for service in tasks.existing(cloud)
        for one in service.tasks
        if one.status == "RUNNING"
    ]
    found = [(service, one) for service, one in running if one.startswith(task)]
    if not running:
        raise ToolError("No task runs.", f"See why: make tasks ENV={cloud.environment.name}")
    if not found:
        ids = [one for _, one in running]
        raise usage(
            f'No running task\'s id begins with "{task}"{nearest(task, ids)}.', f"There are {', '.join(ids)}."
        )
    if task and len(found) > 1:
        raise usage(f'"{task}" begins the ids of {", ".join(one for _, one in found)}.', "Give more of it.")
    return found[0]


def _session(cloud: Cloud, service: Service, answer: Any) -> int:
    """Hand the session over to the plugin, which has the terminal and Ctrl-C until it ends."""
    identity = answer["taskArn"].rsplit("/", 1)[-1]
    described = cloud.ecs.describe_tasks(cluster=service.cluster, tasks=[identity])["tasks"]
    runtimes = [
        container.get("runtimeId", "")
        for one in described
        for container in one["containers"]
        if container["name"] == answer["containerName"]
    ]
    if not runtimes:
        raise ToolError(f"The task {identity} ended meanwhile.")
    cluster = answer["clusterArn"].rsplit("/", 1)[-1]
    target = {"Target": f"ecs:{cluster}_{identity}_{runtimes[0]}"}
    endpoint = cloud.ecs.meta.endpoint_url
    words = [PLUGIN, _SESSION, cloud.environment.region, "StartSession", "", json.dumps(target), endpoint]
    environment = {**os.environ, _SESSION: json.dumps(answer["session"])}
    before = {one: signal.signal(one, signal.SIG_IGN) for one in _TERMINAL_SIGNALS}
    try:
        done = subprocess.run(words, env=environment, check=False)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if done.returncode != 0:
        raise ToolError(f"The session ended with an error: {PLUGIN} has exit code {done.returncode}.")
    return OK
