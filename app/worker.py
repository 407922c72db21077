"""gunicorn's ASGI worker with a real backlog, a sweep of time-outs, and a drain that loses no request."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO, cast

from gunicorn.arbiter import Arbiter
from gunicorn.asgi.lifespan import LifespanManager
from gunicorn.workers.gasgi import ASGIWorker

from app.connection.protocol import EchoProtocol
from app.telemetry.output import Output, OutputStream

if TYPE_CHECKING:
    from app.connection.tlsconnection import TLSConnection

_SWEEP_SECONDS = 0.25


class EchoWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """One server process. On SIGTERM: not ready, serve on politely, stop accepting, finish, exit 0."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[EchoProtocol | TLSConnection] = set()
        self.draining = False
        self._told_to_stop: asyncio.Event
        self._take: Callable[[], EchoProtocol | TLSConnection]
        self.slot = 0  # of the metrics' memory; the arbiter sets it before the fork

    def handle_exit_signal(self) -> None:
        """SIGTERM: start draining. `alive` stays true: gunicorn drops connections when it is not."""
        self.draining = True
        self.asgi.lifecycle.draining = True
        self._told_to_stop.set()

    def handle_quit_signal(self) -> None:
        """SIGINT, SIGQUIT: stop now."""
        self._quick_shutdown = True
        self.alive = False
        self.handle_exit_signal()

    async def _serve(self) -> None:
        self._told_to_stop = asyncio.Event()
        errors = self._log_without_waiting()
        self.asgi.metrics.use_slot(self.slot)
        self.asgi.connections = lambda: len(self.connections)
        self.lifespan = LifespanManager(self.asgi, self.log, self.state)
        try:
            await self.lifespan.startup()
        except RuntimeError as error:
            self.log.error("%s", error)
            # The exit code that makes the arbiter give up instead of starting the next worker for ever.
            sys.exit(Arbiter.APP_LOAD_ERROR)
        take = self._take = self._how_to_take_connections()
        for listener in self.sockets:
            self.servers.append(
                await self.loop.create_server(take, sock=listener.sock, backlog=self.cfg.backlog)
            )
        await self._wait(None)
        await self._drain()
        errors.close(1.0)
        sys.stderr = sys.__stderr__

    def _how_to_take_connections(self) -> Callable[[], EchoProtocol | TLSConnection]:
        context = self.app.tls
        if context is None:
            return lambda: EchoProtocol(self)
        from app.connection.tlsconnection import TLSConnection

        return lambda: TLSConnection(self, context, lambda: EchoProtocol(self))

    def _log_without_waiting(self) -> Output:
        """Let a thread write what this process logs: a standard error that nobody reads must not stop it."""
        errors = Output(sys.stderr.fileno(), self.asgi.telemetry.output_lock)
        sys.stderr = cast("TextIO", OutputStream(errors))  # where logging's last resort writes to
        for handler in self.log.error_log.handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(sys.stderr)
        return errors

    async def _wait(self, seconds: float | None) -> None:
        """Serve for `seconds`, or until SIGTERM if None; a quick shutdown ends it at once."""
        deadline = None if seconds is None else self.loop.time() + seconds
        ticks = 0
        while self.alive:
            if deadline is None and (self.draining or self.ppid != os.getppid()):
                self.draining = self.asgi.lifecycle.draining = True  # also when the arbiter died
                return
            pause = _SWEEP_SECONDS
            if deadline is not None:
                pause = min(pause, deadline - self.loop.time())
                if pause <= 0:
                    return
            if ticks % 4 == 0:
                self.notify()
            ticks += 1
            now = self.loop.time()
            for connection in list(self.connections):
                connection.sweep(now)
            if deadline is None:
                try:
                    await asyncio.wait_for(self._told_to_stop.wait(), pause)
                except TimeoutError:
                    continue
            else:
                await asyncio.sleep(pause)

    async def _drain(self) -> None:
        settings = self.asgi.settings
        if not self._quick_shutdown:
            self.log.info("draining: serving on for %g s", settings.grace_seconds)
            await self._wait(settings.grace_seconds)
        await self._stop_accepting()
        for connection in list(self.connections):
            connection.close_if_idle()
        deadline = self.loop.time() + settings.drain_seconds
        while self.connections and self.alive and self.loop.time() < deadline:
            await self._wait(0.05)
        if self.connections and self.alive:
            self.log.warning("%d connections did not finish in time", len(self.connections))
        for connection in list(self.connections):
            connection.transport.abort()
        await self.lifespan.shutdown()

    async def _stop_accepting(self) -> None:
        """Close the listeners, after taking what has connected already: the kernel would reset those."""
        for server, listener in zip(self.servers, self.sockets, strict=True):
            sock: socket.socket = listener.sock
            while True:
                try:
                    connection, _ = sock.accept()
                except OSError:  # BlockingIOError: there is nobody left
                    break
                connection.setblocking(False)
                await self.loop.connect_accepted_socket(self._take, connection)
            server.close()
            sock.close()
