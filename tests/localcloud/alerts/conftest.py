"""Endpoints on loopback that remember what was posted to them."""

import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest


class Endpoint(http.server.ThreadingHTTPServer):
    """Answers with the statuses in turn, the last one for ever; `got` has each request's headers and body."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = statuses
        self.got: list[tuple[Any, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook?from=sns"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.got.append((self.headers, body))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Callable[..., Endpoint]]:
    made: list[Endpoint] = []

    def make(*statuses: int) -> Endpoint:
        made.append(Endpoint(list(statuses) or [200]))
        return made[-1]

    yield make
    for server in made:
        server.shutdown()
        server.server_close()
