"""The ASGI application: what every request shares, once, around the echo route and Flask.

Request id, source, rate limits, body limit, requests in flight, error shape, security headers, access log.
(Draining and time-outs belong to the connection: see `app.connection.protocol`.)
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from app import faults, redact
from app.anything import anything
from app.auth import Verifier
from app.bodies import Bodies
from app.echo import echo
from app.gate import Gate
from app.http import CONNECTION, Headers, Receive, Request, Response, Scope, Send, connection_of
from app.lifecycle import Lifecycle
from app.limits import EXEMPT, Limits, Throttled
from app.problems import CONTENT_TYPE, Problem, retry_later
from app.settings import Settings
from app.sources import Sources
from app.store import open_store
from app.synthetic import synthetic_echo
from app.telemetry.metrics import Metrics, measured
from app.telemetry.worker import Telemetry
from app.web import create_app
from app.websocket import WebSocketRoute
from app.whoami import Task, Whoami
from app.wsgi import WSGIMount

log = logging.getLogger("app.asgi")

# On every response: nothing here is to be rendered, sniffed, framed or kept.
SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
# The same as one field, whose value has line ends and the other names in it: each field costs a microsecond.
_SECURITY_BLOCK = (
    SECURITY_HEADERS[0][0],
    b"\r\n".join([SECURITY_HEADERS[0][1], *(b"%b: %b" % header for header in SECURITY_HEADERS[1:])]),
)
_MAY_BE_GIVEN = frozenset({b"content-length", b"content-security-policy", b"cache-control"})
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
# With two of them, what a proxy checked and what the service acts on could be different things.
_ONCE = frozenset({b"authorization", b"host", b"content-type", b"content-encoding", b"x-amzn-trace-id"})
STORE_PROBE_SECONDS = 2.0
# The routes that are answered here; all others are Flask's.
ROUTES = ("/echo", "/ws", "/anything", "/whoami", "/healthz/echo")
_LOOKUP_THREADS = 8


def new_request_id() -> str:
    """24 hexadecimal digits: unique, not secret, and cheaper than a UUID."""
    return f"{random.getrandbits(96):024x}"


def problem_response(problem: Problem, request_id: str) -> Response:
    """A problem as a response."""
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers]
    headers.append((b"content-type", CONTENT_TYPE.encode()))
    return problem.status, headers, problem.body(request_id)


class Application:
    """The ASGI application of one process. Serves after the lifespan's start-up."""

    def __init__(
        self,
        settings: Settings,
        task: Task | None = None,
        slots: int = 1,
        management: socket.socket | None = None,
    ) -> None:
        """`slots`: how many workers there may be at once; `management`: where the management port listens."""
        self.settings = settings
        self.lifecycle = Lifecycle()
        self._web = create_app(settings, self.lifecycle)
        self._flask = WSGIMount(self._web.wsgi_app, settings.threads)
        rules = [rule.rule for rule in self._web.url_map.iter_rules()]
        self.metrics = Metrics([*rules, *ROUTES], slots)
        self.metrics.gauges = self._gauges
        self.telemetry = Telemetry(settings, self.metrics, management)
        self._web.config["RECENT"] = self.telemetry.recent
        self.connections: Callable[[], int] = lambda: 0
        self._sources = Sources(settings.trusted_hops)
        self._limits = Limits(settings)
        self._bodies = Bodies(settings.bodies_mib << 20)
        self._in_flight = 0
        self._whoami = Whoami(task or Task(), settings.version)
        self._verifier: Verifier
        self._gate: Gate
        self._websocket: WebSocketRoute

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the process's life."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._lifespan(receive, send)
                return
            raise ValueError(f"scope type {scope['type']!r} is not served")
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        # Not one that may be a credential in the wrong place: it goes into logs and answers.
        if given is not None and _SANE_ID.fullmatch(given) and redact.raw(given) == given:
            request_id = given.decode()
        else:
            request_id = new_request_id()
        request = Request(scope, headers, request_id, self._sources.of(scope))
        path = scope["path"]
        try:
            try:
                if len(headers) != len(scope["headers"]):
                    _refuse_duplicates(scope)
                self._limits.arrived(request, path)
                await self._bodies.read(request, receive)
                if self._in_flight >= self.settings.in_flight and path not in EXEMPT:
                    raise retry_later("overloaded", "Too many requests are being answered.", 1)
                self._in_flight += 1
                try:
                    status, extra, body = await self._answer(request, path, receive)
                finally:
                    self._in_flight -= 1
            except Problem as refusal:
                request.problem = refusal.kind.name
                if isinstance(refusal, Throttled):
                    self.metrics.numbers[self.metrics.throttled_at[refusal.limit]] += 1
                status, extra, body = problem_response(refusal, request_id)
            except Exception:
                log.exception("fault in %s %s (request %s)", request.method, redact.text(path), request_id)
                request.problem = "internal-error"
                problem = Problem("internal-error", "The request could not be answered.")
                status, extra, body = problem_response(problem, request_id)
            await send(
                {
                    "type": "http.response.start",
                    "status": status,
                    "headers": _headers(status, extra, body, request),
                }
            )
            await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})
            self.telemetry.answered(request, status, time.perf_counter() - started, len(body))
        finally:
            if request.held:
                self._bodies.let_go(request)

    async def _answer(self, request: Request, path: str, receive: Receive) -> Response:
        """The route's answer. Raises Problem, and whatever a route fails with."""
        if self.settings.faults:
            fault = faults.asked_for(request, self.settings.release_fault)
            if fault is not None:
                await faults.apply(request, self._gate, fault)
        if path in ROUTES:
            request.route = path
        if path == "/echo":
            return await echo(request, self._gate)
        if path == "/ws":
            request.scope[CONNECTION] = connection_of(receive)
            return await self._websocket(request)
        if path == "/anything":
            return await anything(request, self._gate)
        if path == "/whoami":
            return await self._whoami(request, self._gate)
        if path == "/healthz/echo":
            return synthetic_echo(request, self.metrics)
        return await self._flask(request)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        executor = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="store")
        try:
            # In the executor: opening may wait for a disk or an import, and nothing may stall the loop.
            store = await asyncio.get_running_loop().run_in_executor(executor, open_store, self.settings)
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._web.config["STORE"] = store
        self._verifier = Verifier(measured(store, self.metrics), executor, self.settings, self.lifecycle)
        self._gate = Gate(self._verifier, self._limits, self.metrics)
        self._websocket = WebSocketRoute(
            self._gate, self._bodies, self.settings, self.lifecycle, self.telemetry.websocket_ended
        )
        await (
            self._verifier.probe()
        )  # warm before the first request; a store that is down leaves us not ready
        await self.telemetry.start()
        watching = asyncio.create_task(self._watch_store())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        watching.cancel()
        self._flask.close()
        executor.shutdown(wait=False, cancel_futures=True)
        store.close()
        await self.telemetry.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _gauges(self) -> None:
        numbers, metrics = self.metrics.numbers, self.metrics
        numbers[metrics.in_flight] = self._in_flight
        numbers[metrics.connections] = self.connections()
        numbers[metrics.websockets] = len(self._websocket.sessions)

    async def _watch_store(self) -> None:
        while True:
            await asyncio.sleep(STORE_PROBE_SECONDS)
            if self._verifier.failing:
                await self._verifier.probe()


def _headers(status: int, extra: Headers, body: bytes, request: Request) -> Headers:
    headers = [*extra, (b"x-request-id", request.request_id.encode())]
    # Flask says the length itself; for HEAD it is that of the body a GET would have had, which is not here.
    # (For 304 it would be that of what is not sent again.) A page of ours has a policy of its own, which
    # allows what is in it and nothing else, and may be kept.
    with_length, own = status == 304, False
    for name, _ in extra:
        if name in _MAY_BE_GIVEN:
            if name == b"content-length":
                with_length = True
            else:
                own = True
    if not with_length:
        headers.append((b"content-length", b"%d" % len(body)))
    if request.limit is not None:
        buckets, left, wait = request.limit
        headers.append(buckets.fields(left, wait))
    if own:
        given = dict(extra)
        headers += [header for header in SECURITY_HEADERS if header[0] not in given]
    else:
        headers.append(_SECURITY_BLOCK)
    return headers


def _refuse_duplicates(scope: Scope) -> None:
    """Raises Problem (400) if a field that must be there once is there twice."""
    seen = set()
    for name, _ in scope["headers"]:
        if name in _ONCE:
            if name in seen:
                raise Problem("bad-request", f"The header field `{name.decode()}` is there twice.")
            seen.add(name)
