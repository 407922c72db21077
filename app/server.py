"""`serve`: gunicorn, set up from the settings and not from its own files, arguments or environment."""

from __future__ import annotations

import errno
import math
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.config import Config

from app.settings import Settings
from app.store import open_store

if TYPE_CHECKING:
    import ssl


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


class _TLSConfig(Config):  # type: ignore[misc]  # gunicorn has no types
    """So that gunicorn says `https` in its log; the certificate is none of its business."""

    is_ssl = True


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The gunicorn application of `settings`."""

    def __init__(
        self,
        settings: Settings,
        management: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
        fingerprint: str = "",
    ) -> None:
        """`fingerprint`: of the certificate in `tls`, for the log."""
        self.settings = settings
        self.tls = tls
        self._fingerprint = fingerprint
        self.workers = settings.workers or cpus()
        # While a worker ends, and while all are exchanged, there are more of them than usual.
        self.slots = 2 * self.workers + 2
        self._management = management
        super().__init__()

    def load_default_config(self) -> None:
        """See the base class."""
        super().load_default_config()
        if self.tls is not None:
            self.cfg = _TLSConfig(self.usage, prog=self.prog)

    def load_config(self) -> None:
        """The settings for gunicorn; whatever is not here is its default."""
        settings = self.settings
        stop_seconds = settings.grace_seconds + settings.drain_seconds
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        values: dict[str, Any] = {
            "bind": [f"{host}:{settings.port}"],
            "workers": self.workers,
            "on_starting": self._log_certificate,
            "pre_fork": self._choose_slot,
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
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108 - memory, where nobody else looks
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

        return Application(self.settings, read_task(os.environ), self.slots, self._management)

    def _log_certificate(self, arbiter: Any) -> None:
        if self.tls is not None:
            arbiter.log.info("TLS: the certificate's SHA-256 is %s", self._fingerprint)

    def _choose_slot(self, arbiter: Any, worker: Any) -> None:
        """Give a worker that is about to be forked a place for its numbers; the arbiter alone does that."""
        taken = {other.slot for other in arbiter.WORKERS.values()}
        free = (slot for slot in range(self.slots) if slot not in taken)
        # None free: more workers end at once than ever should. Their numbers mix, which harms nobody else.
        worker.slot = next(free, 0)


def check_address(host: str, port: int, kind: str = "ECHO") -> None:
    """Raise ServeError if nobody can listen there: gunicorn would retry for seconds and then say less.

    `kind` begins the names of the two settings.
    """
    listen(host, port, kind).close()


def listen(host: str, port: int, kind: str) -> socket.socket:
    """A socket that listens there. Raises ServeError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, sort, protocol, _, address = found[0]
        listener = socket.socket(family, sort, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(16)
        except OSError:
            listener.close()
            raise
    except socket.gaierror as error:
        raise ServeError(f"{kind}_HOST={host}: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"port {port} of {host} is in use; stop what uses it or set {kind}_PORT"
            ) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise ServeError(f"{kind}_HOST={host} is not an address of this machine") from error
        if error.errno == errno.EACCES:
            raise ServeError(
                f"port {port} may not be used by this user; set {kind}_PORT above 1023"
            ) from error
        raise ServeError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def serve(settings: Settings) -> None:
    """Serve until SIGTERM; ends by SystemExit. Raises ServeError or StoreUnavailable before it starts."""
    check_address(settings.host, settings.port)
    tls, fingerprint = None, ""
    if settings.tls != "off":
        from app.connection.tls import TLSError, server_context

        try:
            tls, fingerprint = server_context(settings)
        except TLSError as error:
            raise ServeError(str(error)) from error
    management = None
    if settings.management_port:
        management = listen(settings.management_host, settings.management_port, "ECHO_MANAGEMENT")
        management.setblocking(False)
    # A file is made (or refused) here, once, and not by every worker at the same moment; a missing region is
    # said on one line; and the client library, if there is one, is in memory that the workers share.
    open_store(settings).close()
    Server(settings, management, tls, fingerprint).run()
