"""Environments that build no image or have nothing to call: every command works or says why not."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

IMAGE = "registry.example.test/other@sha256:" + "a" * 64


@pytest.fixture
def account(project: Any) -> Any:
    """Only one stack, without an image, a URL or tokens."""
    text = project.file.read_text()
    start, end = text.index("[token]"), text.index("[tags]")
    text = text[:start] + text[end:]
    project.file.write_text(text.replace('"registry", "data", "service"', '"data"'))
    return project


def test_such_an_environment_is_made_changed_looked_at_and_deleted(account):
    created = account.do("create")
    assert created.exit_code == 0, created.output
    assert created.stdout == ""
    assert f"make outputs ENV={account.env}" in created.stderr
    again = account.do("create")
    assert again.exit_code == 3
    assert "make token" not in again.stderr
    assert "make test" not in again.stderr
    account.file.write_text(account.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    shown = account.do("change", "--name", "mode", "--json")
    assert shown.exit_code == 0, shown.output
    assert [row["logical_id"] for row in json.loads(shown.stdout)["changes"]] == ["Topic"]
    assert account.do("approve", "--name", "mode").exit_code == 0
    status = json.loads(account.do("status", "--json").stdout)
    assert (status["complete"], status["url"], status["services"]) == (True, None, [])
    assert account.do("status").exit_code == 0
    assert account.do("outputs").stdout.startswith("data.TableName=")
    deleted = account.do("delete")
    assert deleted.exit_code == 0, deleted.output
    assert account.statuses() == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["test"], "has no service: none of its stacks (data) is one, with"),
        (["token", "--name", "me"], "has no [token] table, so no token can be made"),
        (["push"], "There is nothing to push: none of the stacks of"),
        (["create", "--runtime", "process"], "RUNTIME=process is of no use: none of the stacks of"),
        (["change", "--name", "x", "--runtime", "container"], "RUNTIME=container is of no use"),
    ],
)
def test_what_makes_no_sense_says_why(account, words, said):
    done = account.do(*words)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert account.statuses() == {}


class _Up(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/alive" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Up)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def other(project: Any, url: str) -> Any:
    """An environment that runs an image of somebody else's, without registry or tokens."""
    text = project.file.read_text()
    start, end = text.index("[token]"), text.index("[tags]")
    text = text[:start] + text[end:]
    project.file.write_text(text.replace('"registry", ', "") + f'[container]\nimage = "{IMAGE}"\n')
    project.edit(
        "service", "Parameters:\n", "Parameters:\n  HealthCheckPath: {Type: String, Default: /alive}\n"
    )
    project.edit("service", "Outputs:\n", f"Outputs:\n  Url: {{Value: '{url}'}}\n")
    return project


def test_an_image_that_is_given_is_deployed_without_registry_engine_or_push(other, url, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    done = other.do("create")
    assert done.exit_code == 0, done.output
    assert done.stdout == f'export URL={url}\ncurl -s "$URL/alive"\n'
    assert "Image" not in done.stderr
    stack = other.client("cloudformation").describe_stacks(StackName=other.stack("service"))["Stacks"][0]
    assert {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}["Image"] == IMAGE
    tested = other.do("test", "--json")
    assert tested.exit_code == 0, tested.output
    assert [one["name"] for one in json.loads(tested.stdout)["checks"]] == ["ready: GET /alive"]
    assert "Nothing to change" in other.do("change", "--name", "none").stdout
    newer = IMAGE.replace("a" * 64, "b" * 64)
    other.file.write_text(other.file.read_text().replace(IMAGE, newer))
    shown = json.loads(other.do("change", "--name", "newer", "--json").stdout)
    assert [row["cause"] for row in shown["changes"]] == ["parameter Image"]
    assert newer in shown["changes"][0]["after"]
    assert other.do("approve", "--name", "newer").exit_code == 0
    assert other.do("delete").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["push"], "There is nothing to push"),
        (["create", "--runtime", "process"], "RUNTIME=process is of no use"),
        (["change", "--name", "x", "--runtime", "container"], "RUNTIME=container is of no use"),
    ],
)
def test_a_kind_of_image_makes_no_sense_where_the_file_names_one(other, words, said):
    done = other.do(*words)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert f"[container] image = {IMAGE}" in done.stderr
    assert other.statuses() == {}
