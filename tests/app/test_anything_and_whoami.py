"""/anything shows what arrived, without credentials; /whoami says which task answered."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from collections.abc import Iterator

import pytest
import requests

from app import redact, tokens, whoami
from tests.app.servers import Server, StartServer


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return server.new_token()[0]


def test_anything_shows_the_request(server: Server, token: str) -> None:
    answer = requests.request(
        "PROPFIND",
        f"{server.url}/anything?b=2&a=1&a=&c=%E2%98%83",
        data="grüße".encode(),
        headers={"Authorization": f"Bearer {token}", "X-Mine": "yes", "Content-Type": "text/plain"},
        timeout=30,
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    shown = answer.json()
    assert shown["method"] == "PROPFIND"
    assert shown["path"] == "/anything"
    assert shown["query"] == [["b", "2"], ["a", "1"], ["a", ""], ["c", "☃"]]
    assert ["x-mine", "yes"] in shown["headers"]
    assert ["authorization", "[redacted]"] in shown["headers"]
    assert shown["body"] == "grüße"
    assert shown["body_encoding"] == "utf-8"
    assert shown["source"] == "127.0.0.1"
    assert shown["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_anything_takes_any_method(server: Server, token: str, method: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.request(method, f"{server.url}/anything", headers=headers, timeout=30)
    assert answer.status_code == 200
    if method != "HEAD":
        assert answer.json()["method"] == method


def test_a_body_that_is_not_utf8_comes_in_base64(server: Server, token: str) -> None:
    body = bytes(range(256)) * 4096
    answer = requests.post(
        f"{server.url}/anything", data=body, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.json()["body_encoding"] == "base64"
    assert base64.b64decode(answer.json()["body"]) == body


def test_no_credential_comes_back(server: Server, token: str) -> None:
    other = tokens.make()
    hidden = "hunter2-and-more"
    for body, content_type in (
        (
            json.dumps({"auth": other, "user_password": hidden, "note": f"my token is {other}"}),
            "application/json",
        ),
        (f"name=a&password={hidden}&token={other}", "application/x-www-form-urlencoded"),
        (b"\xff" + other.encode(), "application/octet-stream"),
    ):
        answer = requests.post(
            f"{server.url}/anything?token={other}&api_key={hidden}&q={other}",
            data=body,
            headers={
                "Authorization": f"Bearer {token}",
                "Cookie": f"id={hidden}",
                "X-Api-Key": hidden,
                "X-Other": f"see {other}",
                "X-Request-Id": other,
                "Sec-WebSocket-Protocol": f"echo-room.token.{other}",
                "Content-Type": content_type,
            },
            timeout=30,
        )
        assert answer.status_code == 200
        shown = answer.json()
        if shown["body_encoding"] == "base64":
            shown["body"] = base64.b64decode(shown["body"]).decode("latin-1")
        everything = json.dumps(shown) + str(answer.headers)
        for secret in (token, other, hidden):
            assert secret not in everything
        assert ["x-other", "see [redacted]"] in shown["headers"]


@pytest.mark.parametrize("path", ["/anything", "/whoami"])
def test_both_need_a_token(server: Server, path: str) -> None:
    assert requests.get(server.url + path, timeout=30).status_code == 401
    wrong = {"Authorization": f"Bearer {tokens.make()}"}
    assert requests.get(server.url + path, headers=wrong, timeout=30).status_code == 401


@pytest.mark.parametrize(
    "hostile",
    [
        '"password' * 60_000,
        '"password":"' + "\\" * 900_000,
        "&password" * 60_000,
        '"' * 500_000,
        '"a": ' * 100_000,
    ],
    ids=["names", "escapes", "form", "quotes", "members"],
)
def test_taking_credentials_out_takes_time_in_proportion(hostile: str) -> None:
    """Quadratic time would be hours here: the test would run into its time-out."""
    for form in (True, False):
        redact.document(hostile, form=form)


def test_whoami_outside_ecs(server: Server, token: str) -> None:
    answer = requests.get(f"{server.url}/whoami", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    shown = answer.json()
    assert shown.pop("uptime_seconds") > 0
    assert shown == {"zone": None, "task": None, "revision": None, "image": None, "version": "dev"}


CONTAINER = {
    "DockerId": "abc",
    "Image": "1.dkr.ecr.eu-west-1.amazonaws.com/echo@sha256:1234",
    "ImageID": "sha256:99",
}
TASK = {
    "Cluster": "c",
    "TaskARN": "arn:aws:ecs:eu-west-1:111122223333:task/c/158d1c8083dd49d6b527399fd6414f5c",
    "Family": "echo-room",
    "Revision": "7",
    "AvailabilityZone": "eu-west-1b",
}


@pytest.fixture
def metadata() -> Iterator[str]:
    """The address of an endpoint that answers like the ECS agent's."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {"/v4/x": CONTAINER, "/v4/x/task": TASK}
            body = json.dumps(answers[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as endpoint:
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{endpoint.server_address[1]}/v4/x"
        endpoint.shutdown()


def test_whoami_on_ecs(start_server: StartServer, metadata: str) -> None:
    server = start_server(ECS_CONTAINER_METADATA_URI_V4=metadata, ECHO_VERSION="4be1")
    token, _ = server.new_token()
    headers = {"Authorization": f"Bearer {token}"}
    shown = requests.get(f"{server.url}/whoami", headers=headers, timeout=30).json()
    assert shown.pop("uptime_seconds") > 0
    assert shown == {
        "zone": "eu-west-1b",
        "task": "158d1c8083dd49d6b527399fd6414f5c",
        "revision": "echo-room:7",
        "image": "sha256:1234",
        "version": "4be1",
    }
    refused = requests.post(f"{server.url}/whoami", headers=headers, timeout=30)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_an_image_by_tag_is_known_by_its_id() -> None:
    assert whoami.describe(CONTAINER | {"Image": "echo:1"}, {}) == whoami.Task(image="sha256:99")


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/v4", "nonsense", "https://127.0.0.1/", "http://[", "http://h:x/"]
)
def test_an_endpoint_that_cannot_be_read_does_not_keep_the_service_from_starting(address: str) -> None:
    assert whoami.read_task({whoami.VARIABLE: address}) == whoami.Task()


def test_an_endpoint_that_hangs_is_given_up_on() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v4"
        assert whoami.read_task({whoami.VARIABLE: address}) == whoami.Task()
        assert time.monotonic() - started < 30
