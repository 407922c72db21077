"""What the load sends, as Locust's users: echoes of several sizes, WebSocket messages, a page, refusals.

A refusal that is due (401, 413) is as good as an answer; one that is not is a failure.
"""

from __future__ import annotations

import http.client
import json
import random
import ssl
import time
from collections.abc import Callable
from typing import Any

from locust import FastHttpUser, task
from websocket import (
    ABNF,
    WebSocket,
    WebSocketConnectionClosedException,
    WebSocketException,
    create_connection,
)

from bench.load.recorder import DifferentError
from stack.outside import web

SECONDS = 15.0
_FAILURES = (OSError, http.client.HTTPException, WebSocketException, DifferentError)
# Nobody answers the server's pings between messages; it would cut the connection off.
_IDLE_SECONDS = 15.0
# Close codes that are no failure: idle, and the task leaves.
_CONNECT_AGAIN = (1000, 1001)
_TOO_LARGE = json.dumps({"str": "x" * 1024 * 1024}).encode()
_TEXTS = {
    "short": "Is anybody there? Grüße, 世界!",
    "1 kB": "echo room " * 100,
    "64 kB": "0123456789abcdef" * 4096,
}


def make(config: dict[str, Any], pause: Callable[[], float]) -> type[FastHttpUser]:
    """The class of users for one service; `pause` says how many seconds one waits for its next request."""
    authority = config["ca"]
    secure = config["url"].startswith("https://")
    context = ssl.create_default_context(cafile=authority) if secure else None
    token = {"Authorization": f"Bearer {config['token']}"}
    typed = {"Content-Type": "application/json"}

    class EchoUser(FastHttpUser):
        """One client with a connection of its own, and a WebSocket once it needs one."""

        host = config["url"]
        insecure = False
        connection_timeout = network_timeout = SECONDS
        socket: WebSocket | None = None
        used = 0.0

        @staticmethod
        def ssl_context_factory(cafile: str | None = None) -> ssl.SSLContext:
            """Verify by the environment's authority, where it has one."""
            return ssl.create_default_context(cafile=authority or cafile)

        def wait_time(self) -> float:
            """Until the next request is due."""
            return pause()

        def on_start(self) -> None:
            """Begin with the pause: requests are due at given times, the first ones too."""
            self.wait()

        def on_stop(self) -> None:
            """Say goodbye on the WebSocket."""
            self._close()

        def _echo(self, size: str) -> None:
            text = _TEXTS[size]
            headers = token | typed
            if config["fault"] and random.random() < config["fault_share"]:
                headers["X-Echo-Fault"] = config["fault"]
            with self.client.post(
                "/echo",
                data=json.dumps({"str": text}),
                headers=headers,
                name=f"/echo, {size}",
                catch_response=True,
            ) as answer:
                if answer.status_code != 200:
                    answer.failure(_unexpected(answer))
                elif answer.text is None or _str_of(answer.text) != text:
                    answer.failure(DifferentError("another string came back"))

        @task(60)
        def short(self) -> None:
            """A short echo."""
            self._echo("short")

        @task(12)
        def kilobyte(self) -> None:
            """A longer one."""
            self._echo("1 kB")

        @task(3)
        def large(self) -> None:
            """A large one."""
            self._echo("64 kB")

        @task(10)
        def hello(self) -> None:
            """What Flask answers."""
            with self.client.get("/hello", name="/hello", catch_response=True) as answer:
                if answer.status_code != 200:
                    answer.failure(_unexpected(answer))

        @task(4)
        def stranger(self) -> None:
            """No token: refused."""
            with self.client.post(
                "/echo", data=b"{}", headers=typed, name="/echo, no token: 401", catch_response=True
            ) as answer:
                answer.success() if answer.status_code == 401 else answer.failure(_unexpected(answer))

        @task(1)
        def too_large(self) -> None:
            """More than 1 MiB: refused, perhaps before all was sent, which Locust's client cannot take."""

            def send() -> None:
                answer = web.request(
                    "POST", f"{config['url']}/echo", _TOO_LARGE, token | typed, SECONDS, context, config["at"]
                )
                if answer.status != 413:
                    raise _web_error(answer)

            self._timed("POST", "/echo, over 1 MiB: 413", send)

        @task(10)
        def message(self) -> None:
            """A message on a WebSocket that stays open. Opening it only counts when it fails."""
            if self.socket is not None and time.monotonic() - self.used > _IDLE_SECONDS:
                self._close()
            if self.socket is None:
                try:
                    self.socket = self._opened()
                except _FAILURES as error:
                    self._report("GET", "/ws", 0.0, error)
                    return
            self._timed("WS", "/ws, message", self._message)

        def _opened(self) -> WebSocket:
            connection = web.connect(config["url"], SECONDS, context, config["at"])
            try:
                address = config["url"].replace("http", "ws", 1) + "/ws"
                return create_connection(address, timeout=SECONDS, header=token, socket=connection)
            except BaseException:
                connection.close()
                raise

        def _message(self) -> None:
            try:
                came = self._exchanged()
                if came is None:  # closed by a task that leaves, or idle: clients are to connect again
                    self._close()
                    self.socket = self._opened()
                    came = self._exchanged()
            except _FAILURES:
                self._close()
                raise
            self.used = time.monotonic()
            if came is None:
                raise OSError("closed twice in a row")
            if came != _TEXTS["short"].encode():
                raise DifferentError("another string came back")

        def _exchanged(self) -> bytes | None:
            """Send a message; what came back, or None if the connection had ended in good order."""
            try:
                self.socket.send(_TEXTS["short"])
                opcode, data = self.socket.recv_data()
            except (ConnectionError, WebSocketConnectionClosedException):
                return None
            if opcode != ABNF.OPCODE_CLOSE:
                return data
            code = int.from_bytes(data[:2])
            if code in _CONNECT_AGAIN:
                return None
            raise OSError(f"closed with {code}")

        def _close(self) -> None:
            if self.socket is not None:
                self.socket.close(timeout=1)
                self.socket = None

        def _timed(self, kind: str, name: str, send: Callable[[], None]) -> None:
            """Do what Locust's client does not, and report it as Locust's own requests are."""
            begun, error = time.perf_counter(), None
            try:
                send()
            except _FAILURES as caught:
                error = caught
            self._report(kind, name, (time.perf_counter() - begun) * 1000, error)

        def _report(self, kind: str, name: str, milliseconds: float, error: Exception | None) -> None:
            self.environment.events.request.fire(
                request_type=kind,
                name=name,
                response_time=milliseconds,
                response_length=0,
                exception=error,
                context={},
            )

    return EchoUser


def _web_error(answer: web.Answer) -> OSError:
    """What went wrong, for an answer with another status than the one that was due."""
    return OSError(f"answered {answer.status}")


def _unexpected(answer: Any) -> str:
    """In words, the status that was not due; 0 stands for no answer at all."""
    return f"answered {answer.status_code}" if answer.status_code else f"no answer: {answer.error}"


def _str_of(body: str) -> Any:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found.get("str") if isinstance(found, dict) else None
