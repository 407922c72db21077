"""Runs one task process and outlives nobody: when the local cloud goes, so does the process.

Started as a script, with the standard library only: supervisor.py RECORD DIRECTORY HOME COMMAND...
Standard input is the local cloud's end of a pipe: "T" asks the process to end (SIGTERM, to it alone, as a
container's first process gets it); "K", or end of file, which means that the local cloud is gone, kills the
whole process group. Exits with the process's code, 128 + n after signal n, as Docker reports it.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

#: What a task's home directory is called, so that nothing else is ever removed.
HOME_PREFIX = "localcloud-task-"


def start_time(pid: int) -> str:
    """What tells a process from a later one with the same id; "" when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _die_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main(record: str, directory: str, home: str, command: list[str]) -> int:
    """Run `command` in `directory`, and remove the temporary `home` after it; see the module."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    own = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            _die_with_parent()
            if os.getppid() != own:
                os._exit(137)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.chdir(directory)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.execvpe(command[0], command, os.environ)  # noqa: S606 - no shell is wanted
        except OSError as exc:
            os.write(2, f"exec {command[0]}: {exc}\n".encode())
            os._exit(127)
    pids = {str(pid): start_time(pid) for pid in (own, child)}
    Path(record).write_text(json.dumps(pids))
    try:
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            for ready in select.select([0, wake_read], [], [])[0]:
                told = os.read(ready, 64)
                if ready == 0 and b"T" in told:
                    os.kill(child, signal.SIGTERM)
                if ready == 0 and (not told or b"K" in told):
                    os.killpg(child, signal.SIGKILL)
                    _, status = os.waitpid(child, 0)
                    return 137
    finally:
        # Whatever the process left behind goes too, as in a container.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        Path(record).unlink(missing_ok=True)
        if Path(home).name.startswith(HOME_PREFIX):
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
