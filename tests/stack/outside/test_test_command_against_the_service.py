"""`test` against the real service, served by gunicorn on a port of its own; and against one that lies."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def with_service(created, tmp_path: Path, unused_port: int) -> Iterator[str]:
    port = unused_port
    settings = {
        **os.environ,
        "ECHO_PORT": str(port),
        "ECHO_STORE": "sqlite",
        "ECHO_SQLITE_PATH": str(tmp_path / "echo.db"),
        "ECHO_GRACE_SECONDS": "0",
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"], cwd=REPOSITORY, env=settings, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                pass
            finally:
                connection.close()
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        _point_at(created, f"http://127.0.0.1:{port}")
        text = created.file.read_text()
        start, end = text.index("[token]"), text.index("[tags]")
        token = f"""[token]
create = ["{{python}}", "-m", "app", "token", "create", "--name", "{{name}}", "--json"]
revoke = ["{{python}}", "-m", "app", "token", "revoke", "{{id}}"]
[token.environment]
ECHO_STORE = "sqlite"
ECHO_SQLITE_PATH = "{tmp_path / "echo.db"}"
PYTHONPATH = "{REPOSITORY}"
"""
        created.file.write_text(text[:start] + token + text[end:])
        # The tool runs the token commands in the project's folder, which has an app/ of its own here.
        (created.root / "app" / "main.py").unlink()
        (created.root / "app").rmdir()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _point_at(project, url: str) -> None:
    """Give the service stack an output Url."""
    project.edit("service", "Outputs:", f"Outputs:\n  Url: {{Value: '{url}'}}")
    project.edit("service", "on ${TableName}", "at ${TableName}")
    assert project.do("change", "--name", "url", "--runtime", "process").exit_code == 0
    done = project.do("approve", "--name", "url")
    assert done.exit_code == 0, done.output


def test_the_real_service_passes_and_its_token_is_revoked(created, with_service, tmp_path):
    done = created.do("test", "--json")
    assert done.stdout, done.output
    found = json.loads(done.stdout)
    assert [one for one in found["checks"] if not one["passed"]] == []
    assert done.exit_code == 0, done.output
    assert len(found["checks"]) >= 16
    listed = subprocess.run(
        [sys.executable, "-m", "app", "token", "list"],
        cwd=REPOSITORY,
        env={**os.environ, "ECHO_STORE": "sqlite", "ECHO_SQLITE_PATH": str(tmp_path / "echo.db")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "test-" not in listed.stdout or "revoked" in listed.stdout
    shown = created.do("test")
    assert shown.exit_code == 0
    assert "checks passed" in shown.stdout
    made = created.do("token", "--name", "me")
    assert made.stdout.startswith("export TOKEN=echo_")


class _Liar(http.server.BaseHTTPRequestHandler):
    """Says 200 to everything."""

    def _say(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_DELETE = _say  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


def test_a_service_that_says_200_to_everything_fails(created):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        _point_at(created, f"http://127.0.0.1:{server.server_address[1]}")
        done = created.do("test", "--json")
    finally:
        server.shutdown()
        server.server_close()
    assert done.exit_code == 1, done.output
    passed = {one["name"] for one in json.loads(done.stdout)["checks"] if one["passed"]}
    assert passed == {"ready: GET /readyz", "alive: GET /healthz"}
    assert "no [token] revoke" in done.stderr


def test_a_service_that_is_gone_fails_every_check(created, unused_port):
    _point_at(created, f"http://127.0.0.1:{unused_port}")
    done = created.do("test", "--json")
    assert done.exit_code == 1, done.output
    assert not any(one["passed"] for one in json.loads(done.stdout)["checks"])
