"""Real servers for the app's tests: on loopback, in folders and on ports of their own."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import requests

from app import tokens
from app.settings import Settings, load
from app.store import Store, TokenRecord, new_record, open_store
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
AWS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without settings of the service or AWS, and `changes`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECHO_", "AWS_"))}
    return kept | {"PYTHONUNBUFFERED": "1"} | changes


def run_app(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env=clean_environment(**environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@dataclass
class Server:
    """A running `python -m app serve`."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str] = field(repr=False)
    folder: Path
    port: int
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = load({k: v for k, v in self.environment.items() if k.startswith("ECHO_")})

    @property
    def url(self) -> str:
        return f"http{'' if self.settings.tls == 'off' else 's'}://127.0.0.1:{self.port}"

    @cached_property
    def certificate(self) -> str:
        """What it presents, as PEM."""
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=30)

    @property
    def verify(self) -> str | bool:
        """For `requests`: trust this server's certificate, and no other."""
        if self.settings.tls == "off":
            return True
        path = self.folder / "certificate.pem"
        path.write_text(self.certificate)
        return str(path)

    @cached_property
    def client_context(self) -> ssl.SSLContext | None:
        """The same for sockets; None without TLS."""
        if self.settings.tls == "off":
            return None
        return ssl.create_default_context(cadata=self.certificate)

    def connect(self) -> socket.socket:
        """A connection, over TLS if the server speaks it."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        if self.client_context is None:
            return connection
        return self.client_context.wrap_socket(connection, server_hostname="127.0.0.1")

    def output(self) -> str:
        return (self.folder / "stdout").read_text() + (self.folder / "stderr").read_text()

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def new_token(self, expires_at: int | None = None) -> tuple[str, TokenRecord]:
        """A token in this server's store (SQLite)."""
        store = open_store(self.settings)
        try:
            return add_token(store, expires_at)
        finally:
            store.close()

    def echo(self, token: str, text: str = "hello") -> requests.Response:
        return requests.post(
            f"{self.url}/echo",
            json={"str": text},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            verify=self.verify,
        )


def add_token(store: Store, expires_at: int | None = None) -> tuple[str, TokenRecord]:
    token = tokens.make()
    record = new_record(tokens.digest(token), "test", expires_at)
    store.add(record)
    return token, record


StartServer = Callable[..., Server]


@contextmanager
def starting(folder: Callable[[], Path], **always: str) -> Iterator[StartServer]:
    """A function that starts servers with these settings and its own, each in a folder of its own."""
    servers: list[Server] = []

    def starter(wait_for: str = "/readyz", **environment: str) -> Server:
        servers.append(start(folder(), wait_for=wait_for, **{**always, **environment}))
        return servers[-1]

    try:
        yield starter
    finally:
        for server in servers:
            stop(server)


def start(folder: Path, *, wait_for: str = "/readyz", **environment: str) -> Server:
    """Start a server and wait until `wait_for` answers 200."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "ECHO_PORT": str(port),
        "ECHO_WORKERS": "1",
        "ECHO_SQLITE_PATH": str(folder / "tokens.sqlite3"),
        "ECHO_GRACE_SECONDS": "0",
    } | environment
    variables = clean_environment(**settings)
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"], env=variables, cwd=ROOT, stdout=stdout, stderr=stderr
        )
    server = Server(process, variables, folder, port)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if requests.get(server.url + wait_for, timeout=30, verify=server.verify).status_code == 200:
                return server
        except (requests.ConnectionError, ConnectionError):
            pass
        if process.poll() is not None:
            break
        time.sleep(0.03)
    process.kill()
    process.wait()
    raise AssertionError(f"the server did not start:\n{server.output()}")


def stop(server: Server) -> None:
    """End it, whatever state the test left it in; SIGINT first, since SIGKILL would orphan the workers."""
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGINT)
        try:
            server.process.wait(60)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
