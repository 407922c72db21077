"""What a newcomer gets wrong: a clear line, a non-zero exit, and nothing changed."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.checkout import Checkout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("mistakes"), engine=False)


@pytest.fixture(autouse=True)
def nothing_changed(place: Checkout) -> Iterator[None]:
    yield
    assert place.processes() == []
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", place.gateway_port)) != 0, "something was started"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("make create", ["ENV=", "local", "dev"]),
        ("make create ENV=locl", ["locl", "local"]),
        ("make create ENV=../local", ["../local"]),
        ("make change ENV=local", ["NAME="]),
        ("make change ENV=local NAME='not a name'", ["not a name"]),
        ("make approve ENV=local", ["NAME="]),
        ("make approve ENV=local NAME=never-made", ["make create ENV=local"]),
        ("make test ENV=local", ["make create ENV=local"]),
        ("make last-create-failure ENV=local", ["make create ENV=local"]),
        ("make create ENV=local RUNTIME=magic", ["magic", "process", "container"]),
        ("make create ENV=local RUNTIME=container", ["Docker"]),
        ("make image", ["Docker"]),
    ],
)
def test_wrong_use(place: Checkout, command: str, says: list[str]) -> None:
    output = place.fail(command)
    assert all(word in output for word in says), output


def test_no_credentials_for_a_real_environment(place: Checkout) -> None:
    output = place.run(
        "make create ENV=dev",
        HOME=str(place.root / "nobody"),
        AWS_EC2_METADATA_DISABLED="true",
    )
    assert output.returncode != 0
    assert "credentials" in output.stderr
    assert "Traceback" not in output.stderr


def test_python_too_old(place: Checkout, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.18\nexit 1\n')
    old.chmod(0o755)
    output = place.run(
        f"make VENV={tmp_path}/venv PYTHON={old} create ENV=local".replace("make ", "command make ", 1)
    )
    assert output.returncode != 0
    assert "Python 3.11 or newer is needed" in output.stderr
    assert "Python 3.9.18" in output.stderr
    assert not (tmp_path / "venv").exists()


def test_gateway_port_taken(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = Checkout(tmp_path_factory.mktemp("port"), engine=False)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", place.gateway_port))
        sock.listen()
        output = place.fail("make create ENV=local")
    assert str(place.gateway_port) in output
    assert place.processes() == []


def test_listener_port_taken(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = Checkout(tmp_path_factory.mktemp("listener"), engine=False)
    try:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", place.http_port))
            sock.listen()
            output = place.fail("make create ENV=local")
        assert str(place.http_port) in output
        assert "HttpPort" in output
        # Freed, the same command goes on from where it failed.
        assert "export URL=" in place.succeed("make create ENV=local")
    finally:
        place.run("make delete ENV=local")
        place.run("make local-reset YES=1")


def test_engine_that_hangs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A socket that accepts and never answers, as a half-broken engine does."""
    place = Checkout(tmp_path_factory.mktemp("hung"), engine=False)
    path = tmp_path_factory.mktemp("s") / "docker.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        place.environment["DOCKER_HOST"] = f"unix://{path}"
        try:
            output = place.run("make create ENV=local")
            assert output.returncode == 0, output.stdout + output.stderr
            assert "Docker" in output.stdout + output.stderr, "it says why tasks run as processes"
        finally:
            place.run("make delete ENV=local")
            place.run("make local-reset YES=1")
