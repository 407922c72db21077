"""Runs the Flask application behind the ASGI one: a small shim on a bounded thread pool.

The body is already whole in memory (it is bounded by the shared layer), so the shim has no streaming to do.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from app.http import Headers, Request, Response
from app.problems import Problem, retry_later

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

REQUEST_ID = "echo.request_id"
"""Key of the request id in the WSGI environment."""

REQUEST = "echo.request"
"""Key of the `app.http.Request`: a view that verified a token notes its id there, for the access log."""

# Requests that may wait for a thread, per thread; the rest get a quick 503.
_WAITING_PER_THREAD = 16


def environ(request: Request) -> dict[str, Any]:
    """The WSGI environment (PEP 3333) of a request."""
    scope = request.scope
    host, port = scope.get("server") or ("", 0)
    values: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": request.source.address,  # the client's, not the balancer's
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(request.body),
        # The stream ends where the body does; without it Werkzeug takes a chunked body for an empty one.
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        REQUEST_ID: request.request_id,
        REQUEST: request,
    }
    for name, value in request.headers.items():
        # Underscored names would collide with dashed ones; the length is that of the body we hold.
        if b"_" in name or name in (b"content-length", b"transfer-encoding"):
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        values[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.decode("latin-1")
    return values


class WSGIMount:
    """A WSGI application as an awaitable `Request -> Response`, on at most `threads` threads."""

    def __init__(self, application: WSGIApplication, threads: int) -> None:
        self._application = application
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="flask")
        self._most = threads * (1 + _WAITING_PER_THREAD)
        self._active = 0

    async def __call__(self, request: Request) -> Response:
        """Answer `request`. Raises what the application raises, and Problem (404; 503 when too many wait)."""
        if request.scope["path"].startswith("//"):  # Werkzeug would take it for the same with one slash
            raise Problem("not-found", "There is no such route.")
        if self._active >= self._most:
            raise retry_later("overloaded", "Too many requests at once.", 1)
        self._active += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, request)
        finally:
            self._active -= 1

    def _run(self, request: Request) -> Response:
        started: list[tuple[int, Headers]] = []
        chunks: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if started and exc_info is None:
                raise RuntimeError("start_response was called twice")
            encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            started[:] = [(int(status.split(" ", 1)[0]), encoded)]
            return chunks.append

        parts: Iterable[bytes] = self._application(environ(request), start_response)
        try:
            chunks.extend(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        status, headers = started[0]
        return status, headers, b"".join(chunks)

    def close(self) -> None:
        """Let the threads go when what they do is done."""
        self._pool.shutdown(wait=False)
