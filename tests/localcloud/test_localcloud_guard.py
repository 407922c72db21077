"""What may reach the gateway."""

import json
import socket
from typing import Any

import pytest
import requests

from localcloud.guard import refusal

IDENTITY = "/_localcloud"


def test_it_answers_under_its_own_names(shared_cloud: Any) -> None:
    for host in ("127.0.0.1", "localhost"):
        answer = requests.get(
            shared_cloud.url + IDENTITY, headers={"Host": f"{host}:{shared_cloud.port}"}, timeout=30
        )
        assert answer.json()["state_dir"] == str(shared_cloud.state_dir)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8080"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_requests_of_web_pages_are_refused(shared_cloud: Any, origin: str, method: str) -> None:
    answer = requests.request(method, shared_cloud.url + "/", headers={"Origin": origin}, timeout=30)
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1.evil.example:{port}"]
)
def test_unknown_hosts_are_refused(shared_cloud: Any, host: str) -> None:
    headers = {"Host": host.format(port=shared_cloud.port)}
    answer = requests.get(shared_cloud.url + IDENTITY, headers=headers, timeout=30)
    assert answer.status_code == 403


def test_the_socket_takes_any_host_but_no_web_page(shared_cloud: Any) -> None:
    def ask(headers: str) -> tuple[int, bytes]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(shared_cloud.state_dir / "gateway.sock"))
            connection.sendall(f"GET {IDENTITY} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    status, body = ask("Host: relay:4566\r\n")
    assert status == 200
    assert json.loads(body)["name"] == "localcloud"
    assert ask("Host: relay:4566\r\nOrigin: http://evil.example\r\n")[0] == 403


def test_refusal_says_why() -> None:
    assert refusal([(b"host", b"127.0.0.1:1")], 1, False) is None
    assert "Origin" in (refusal([(b"host", b"127.0.0.1:1"), (b"Origin", b"x")], 1, False) or "")
    assert "Host" in (refusal([], 1, False) or "")
    assert "Host" in (refusal([(b"host", b"127.0.0.1:1"), (b"host", b"127.0.0.1:1")], 1, False) or "")
