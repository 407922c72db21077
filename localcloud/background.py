"""Starting and stopping the background process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from localcloud import speed
from localcloud.endpoint import Endpoint, identity, occupied
from localcloud.state import StateDir, StateError

#: How long `up` waits for the process to answer, and `down` for it to end by itself, in seconds. Tasks may
#: take their whole StopTimeout (120 s at most) to leave.
READY_SECONDS = 30.0
STOP_SECONDS = 140.0


class CannotStartError(RuntimeError):
    """The process did not come up; the message says why."""


def up(state: StateDir, endpoint: Endpoint) -> tuple[dict[str, Any], bool]:
    """Start the process unless it runs already; returns what it says of itself and whether it started now.

    Raises CannotStartError when the port is taken or the process ends early, StateError when the directory
    cannot be used, SpeedError for a LOCAL_SPEED that is none.
    """
    with state.starting():
        state.check(endpoint)
        pid = state.running_pid()
        if pid is not None:
            return _wait_until_ready(state, endpoint, None), False
        _refuse_taken_port(endpoint)
        speed.factor()
        state.prepare(endpoint)
        command = [
            sys.executable, "-m", "localcloud", "serve",
            "--endpoint", endpoint.url, "--state-dir", str(state.path),
        ]  # fmt: skip
        with state.log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=Path(__file__).resolve().parent.parent,  # where `-m localcloud` is found
            )
        try:
            return _wait_until_ready(state, endpoint, process), True
        except BaseException:
            # Ctrl-C, or a process that never became ready: leave nothing half-started behind.
            _end(process)
            raise


def _refuse_taken_port(endpoint: Endpoint) -> None:
    answers = identity(endpoint)
    if answers:
        raise CannotStartError(
            f"port {endpoint.port} belongs to the local cloud of another state directory, "
            f"{answers['state_dir']} "
            f"(process {answers['pid']}). Stop that one with `python -m localcloud down --state-dir "
            f"{answers['state_dir']}`, or choose another port with --endpoint."
        )
    if answers is not None or occupied(endpoint):
        raise CannotStartError(
            f"port {endpoint.port} is taken by another program. Stop it, or choose another port with "
            f"--endpoint http://127.0.0.1:PORT."
        )


def _wait_until_ready(
    state: StateDir, endpoint: Endpoint, process: subprocess.Popen[bytes] | None
) -> dict[str, Any]:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        answers = identity(endpoint, timeout=5)
        if answers and answers.get("state_dir") == str(state.path):
            return answers
        if process is not None and process.poll() is not None:
            raise CannotStartError(
                f"the local cloud ended while starting (exit code {process.returncode}). The end of "
                f"{state.log}:\n"
                f"{state.log_tail()}"
            )
        if process is None and state.running_pid() is None:
            raise CannotStartError(
                f"the local cloud ended meanwhile. The end of {state.log}:\n{state.log_tail()}"
            )
        time.sleep(0.05)
    raise CannotStartError(
        f"the local cloud did not answer on {endpoint.url} within {READY_SECONDS:.0f} s. The end of "
        f"{state.log}:\n"
        f"{state.log_tail()}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def down(state: StateDir, timeout: float = STOP_SECONDS) -> int | None:
    """Stop the process, by force after `timeout` seconds, and sweep what it left; returns its process id.

    None when none was running; the sweep happens all the same, since a process that was killed left its
    tasks.
    """
    if not state.path.exists():
        return None
    with state.starting():
        pid = state.running_pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            if not _wait_until_stopped(state, pid, timeout):
                os.kill(pid, signal.SIGKILL)
                if not _wait_until_stopped(state, pid, 10):
                    raise StateError(f"process {pid} does not end, not even on SIGKILL.")
        sweep(state)
        return pid


def _wait_until_stopped(state: StateDir, pid: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    # It lets go of its state directory a moment before it is gone.
    while state.running_pid() is not None or not _ended(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _ended(pid: int) -> bool:
    """Whether a process is gone; one that only its parent has not noticed yet is, too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:  # it ended meanwhile, or there is no /proc; then the next look tells
        return False


def sweep(state: StateDir) -> None:
    """End the tasks and containers that a dead process of this state directory left."""
    from localcloud import ecs

    meta = state.read_meta()
    if meta:
        # Nothing else leaves anything behind.
        ecs.sweep(state.path, meta["id"])
