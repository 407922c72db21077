"""`serve`: gunicorn, set up from the settings and not from its own files, arguments or environment."""

from __future__ import annotations

import errno
import math
import os
import socket
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from app.settings import Settings
from app.store import open_store


class ServeError(Exception):
    """The server cannot start; the message says why, on one line."""


# Between the end of a worker's drain and the arbiter's SIGKILL.
_MARGIN_SECONDS = 5


def cpus() -> int:
    """CPUs this process may use: its affinity, and no more than the cgroup's quota (rounded up)."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass  # no cgroup v2 here: the affinity is all there is to know
    return max(1, count)


class Server(BaseApplication):  # type: ignore[misc]
    """The gunicorn application of `settings`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        """The settings for gunicorn; whatever is not here is its default."""
        settings = self.settings
        stop_seconds = settings.grace_seconds + settings.drain_seconds
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        values: dict[str, Any] = {
            "bind": [f"{host}:{settings.port}"],
            "workers": settings.workers or cpus(),
            "worker_class": "app.worker.EchoWorker",
            "worker_connections": settings.connections,
            "backlog": settings.backlog,
            "keepalive": math.ceil(settings.keepalive_seconds),
            # The protocol's own time-out for a body comes first.
            "timeout": math.ceil(settings.body_seconds) + 30,
            # How long the arbiter lets workers drain; they take grace + drain at most.
            "graceful_timeout": math.ceil(stop_seconds) + _MARGIN_SECONDS,
            # The workers' heartbeat: in memory, because a read-only root has no temporary folder and a disk
            # can stall.
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108
            "preload_app": True,  # memory is shared; the store is opened after the fork
            "asgi_loop": "auto",
            "asgi_lifespan": "on",
            "control_socket_disable": True,
            "accesslog": None,
            "errorlog": "-",
            "loglevel": "info",
            "proc_name": "echo-room",
        }
        for name, value in values.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The ASGI application; called once, before the workers are forked."""
        from app.asgi import Application
        from app.whoami import read_task

        return Application(self.settings, read_task(os.environ))


def check_address(host: str, port: int) -> None:
    """Raise ServeError if nobody can listen there: gunicorn would retry for seconds and then say less."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror as error:
        raise ServeError(f"ECHO_HOST={host}: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"port {port} of {host} is in use; stop what uses it or set ECHO_PORT"
            ) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise ServeError(f"ECHO_HOST={host} is not an address of this machine") from error
        if error.errno == errno.EACCES:
            raise ServeError(f"port {port} may not be used by this user; set ECHO_PORT above 1023") from error
        raise ServeError(f"cannot listen on {host} port {port}: {error.strerror}") from error


def serve(settings: Settings) -> None:
    """Serve until SIGTERM; ends by SystemExit. Raises ServeError or StoreUnavailable before it starts."""
    check_address(settings.host, settings.port)
    # A file is made (or refused) here, once, and not by every worker at the same moment; a missing region is
    # said on one line; and the client library, if there is one, is in memory that the workers share.
    open_store(settings).close()
    Server(settings).run()
