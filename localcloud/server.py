"""The process itself: MiniStack behind the guard on loopback, with everything else that runs beside it.

What runs beside the gateway is installed, and stopped, here and nowhere else: `serve` is the list.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from localcloud import (
    alerts,
    certificates,
    dns,
    emulator,
    events,
    health,
    logs,
    outages,
    registry,
    scaling,
    speed,
    stacks,
    tables,
)
from localcloud.endpoint import IDENTITY_PATH, INVENTORY_PATH, LOOPBACK, OUTAGE_PATH, Endpoint
from localcloud.guard import App, Message, Receive, Scope, Send, answer, guarded
from localcloud.logs import definitions
from localcloud.metrics import store, suppression
from localcloud.persistence import Saver, may_change
from localcloud.signals import api as signals
from localcloud.signals import objectives
from localcloud.state import StateDir

log = logging.getLogger("localcloud")

#: Containers reach the gateway through this socket, by a relay; relative to the state directory, because an
#: absolute path may be longer than a socket's can be.
SOCKET = "gateway.sock"


def serve(state: StateDir, endpoint: Endpoint) -> None:
    """Run the local cloud in this process until SIGTERM or SIGINT.

    Raises StateError when the directory cannot be used or is in use, OSError when the port is taken.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s [%(name)s] %(message)s"
    )
    for noisy in ("hypercorn.error", "hypercorn.access", "ministack", "persistence"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    log.info("waiting times pass %g times as fast as on AWS", speed.factor())
    cloud_id = state.prepare(endpoint)
    with state.claim():
        os.chdir(state.path)
        emulator.configure(state, endpoint.port)
        emulator.load()
        asyncio.run(_serve(state, endpoint, cloud_id))


async def _serve(state: StateDir, endpoint: Endpoint, cloud_id: str) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    config = Config()
    config.bind = [f"{LOOPBACK}:{endpoint.port}", f"unix:{SOCKET}"]
    config.umask = 0o177
    config.keep_alive_timeout = 75
    config.keep_alive_max_requests = sys.maxsize
    config.graceful_timeout = 2
    config.loglevel = "WARNING"
    config.include_server_header = False

    who = {
        "name": "localcloud",
        "pid": os.getpid(),
        "state_dir": str(state.path),
        "id": cloud_id,
        "endpoint": endpoint.url,
        "log": str(state.log),
        "authority": str(state.authority),
        "emulator": f"MiniStack {emulator.VERSION}",
    }
    async with running(state, endpoint, cloud_id) as saver:
        application = guarded(_gateway(who, saver), endpoint.port)
        log.info("ready on %s (process %d, state in %s)", endpoint.url, os.getpid(), state.path)
        await hypercorn_serve(application, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]  # nobody looks at its True
        log.info("stopping")


@asynccontextmanager
async def running(state: StateDir, endpoint: Endpoint, cloud_id: str) -> AsyncIterator[Saver]:
    """Everything the process consists of besides its sockets, from the saved state to the running tasks."""
    from localcloud import balancer

    emulator.module("core.hypercorn_compat").install()
    emulator.module("app")._MAIN_LOOP = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        saver = Saver(state.emulator)
        store.STORE.load(saver.add("metrics", store.STORE.state))
        suppression.HELD.update(saver.add("suppressed-actions", lambda: suppression.HELD) or {})
        objectives.load(saver.add("application-signals", objectives.state))
        scaling.STORE.load(saver.add("application-autoscaling", scaling.STORE.state))
        alerts.JOURNAL.load(saver.add("alerts", alerts.JOURNAL.state))
        health.HISTORY.load(saver.add("health-checks", health.HISTORY.state))
        tables.REPLICATION.load(saver.add("table-replication", tables.REPLICATION.state))
        registry.install(state.blobs, endpoint)
        certificates.install(state.certificates)
        logs.install()
        dns.install()
        parts = beside()
        for part in parts:
            part.install(state.path, endpoint.url, cloud_id, saver.changed)
        saver.observe(balancer.current().wake)
        stacks.install(saver.changed)
        emulator.module("app")._load_persisted_state()
        definitions.restore(saver.add("log-groups", definitions.state))
        for name in stacks.deploying.close_abandoned():
            log.warning("the last operation of stack %s had not ended", name)
        saving = asyncio.create_task(saver.run(), name="saver")
        stack.push_async_callback(_ended, saving)
        for part in parts:
            # Pushed first: a start that failed half-way must be undone as well.
            stack.push_async_callback(part.stop)
            await part.start()
        yield saver


def beside() -> tuple[Any, ...]:
    """What works beside the gateway, in the order it starts; it stops in the reverse order.

    Each has `install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[[], None])`, called
    before the saved state is loaded; `async start()`, called after that; and `async stop()`.
    """
    from localcloud import balancer, ecs
    from localcloud.metrics import control as metrics

    return (alerts, tables, balancer, metrics, ecs, scaling, health, events)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _gateway(who: dict[str, Any], saver: Saver) -> App:
    """MiniStack's application, with changes saved before they are acknowledged."""
    ministack: App = emulator.module("app").app

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["path"] == IDENTITY_PATH:
            from localcloud import balancer

            failures = [saver.failure, *balancer.current().problems()]
            failure = " ".join(text for text in failures if text) or None
            await answer(send, 200, {**who, "failure": failure})
            return
        if scope["path"] == INVENTORY_PATH:
            from localcloud import inventory

            await answer(send, 200, inventory.taken())
            return
        if scope["path"] == OUTAGE_PATH and scope["method"] == "POST":
            from localcloud import failing

            if (asked := await _body(receive)) is not None:
                await answer(send, *await failing.handle(asked))
            return
        if status := outages.status(_target(scope), _header(scope, b"authorization")):
            await _fail(send, status, _target(scope))
            return
        if scope["path"] == alerts.CERTIFICATE_PATH:
            headers = [(b"content-type", b"application/x-pem-file")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": await asyncio.to_thread(alerts.certificate)})
            return
        if answering := _beside_emulator(scope):
            await _answered(answering, scope, receive, send, saver)
            return
        seen = bytearray()

        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "http.request" and len(seen) < 4096:
                seen.extend(message.get("body", b"")[:4096])
            return message

        held: list[Message] = []

        async def sending(message: Message) -> None:
            if held or not (saver.pending or may_change(scope["method"], _target(scope), bytes(seen))):
                await send(message)
                return
            held.append(message)
            try:
                await saver.flush()
            except (OSError, TypeError, ValueError) as exc:
                await answer(send, 500, {"__type": "InternalFailure", "message": f"state not saved: {exc}"})
                raise
            await send(message)

        await ministack(scope, receiving, sending)

    return gateway


def _target(scope: Scope) -> str:
    """The `X-Amz-Target` header, empty when there is none."""
    return _header(scope, b"x-amz-target")


def _header(scope: Scope, wanted: bytes) -> str:
    values = (value for name, value in scope["headers"] if name.lower() == wanted)
    return next(values, b"").decode("latin-1")


#: Answers a request's body with a status and a document.
Answering = Callable[[bytes], tuple[int, dict[str, Any]]]


def _beside_emulator(scope: Scope) -> Answering | None:
    """Who answers for a service that MiniStack does not have; None for one that it has."""
    target = _target(scope)
    if target.startswith(scaling.TARGET_PREFIX):
        return lambda body: scaling.handle(target, body)
    if f"/{signals.SERVICE}/" in _header(scope, b"authorization"):
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        return lambda body: signals.handle(scope["method"], path.partition("?")[0], query, body)
    return None


async def _body(receive: Receive) -> bytes | None:
    """A request's body, None when the client is gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _fail(send: Send, status: int, target: str) -> None:
    """Answer for what is out: DynamoDB in its own words, everything else as HTTP does."""
    if target.startswith(outages.DYNAMODB):
        await answer(send, 500, outages.FAULT)
        return
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _answered(answering: Answering, scope: Scope, receive: Receive, send: Send, saver: Saver) -> None:
    """Answer in the request's region, once what it changed is saved."""
    body = await _body(receive)
    if body is None:
        return
    responses = emulator.module("core.responses")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    responses.set_request_region(emulator.module("core.router").extract_region(headers))
    status, result = answering(body)
    await saver.flush()
    await answer(send, status, result)


async def _lifespan(receive: Receive, send: Send) -> None:
    """Answer the server. MiniStack's own lifespan would also sweep every container of every emulator."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
