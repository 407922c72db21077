"""The built image on a real engine: hardened as on ECS, it serves, and has nothing to misuse."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.docker.conftest import NO_NETWORK, docker, inspect, running

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("image")]

ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8080)
connection.request("GET", sys.argv[1])
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""
IMPORT_ALL = """
import importlib, pkgutil, sys, app
names = [found.name for found in pkgutil.walk_packages(app.__path__, "app.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""
ORPHAN = """
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.3)
    os._exit(0)
os.wait()
"""
STATES = """
import pathlib
for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
    print(stat.read_text().rpartition(")")[2].split()[0], end="")
"""


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[str]:
    with running(image, *NO_NETWORK) as started:
        yield started


def ask(container: str, path: str) -> tuple[int, dict[str, str]]:
    status, _, body = docker("exec", container, "python3", "-c", ASK, path).stdout.partition(" ")
    return int(status), json.loads(body)


def run(container: str, code: str) -> subprocess.CompletedProcess[str]:
    return docker("exec", container, "python3", "-c", code, check=False)


def test_it_serves_with_a_read_only_root_and_no_capabilities(container: str) -> None:
    assert ask(container, "/readyz")[0] == 200
    status, health = ask(container, "/healthz")
    assert (status, health["version"]) == (200, "test-version")
    assert ask(container, "/hello") == (200, {"Hello": "Welcome to the Echo Room."})


@pytest.mark.parametrize("path", ["/srv/app/new", "/usr/bin/python3.13", "/etc/passwd", "/new"])
def test_nothing_but_the_store_can_be_written(container: str, path: str) -> None:
    done = run(container, f"open({path!r}, 'a')")
    assert done.returncode == 1
    assert re.search("Read-only file system|Permission denied|No such file", done.stderr), done.stderr
    assert run(container, "open('/data/new', 'a')").returncode == 0


def test_it_runs_as_a_user_without_rights(container: str) -> None:
    who = run(container, "import os; print(os.getuid(), os.getgid(), os.getgroups())")
    assert who.stdout in ("10001 10001 []\n", "10001 10001 [10001]\n")
    status = run(container, "print(open('/proc/1/status').read())").stdout
    assert re.search(r"^CapEff:\s+0+$", status, re.M)
    assert re.search(r"^CapBnd:\s+0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)


@pytest.mark.parametrize(
    "program", ["sh", "/bin/sh", "bash", "ls", "env", "apt", "dpkg", "pip", "gcc", "busybox"]
)
def test_no_shell_and_no_tool_can_be_executed(container: str, program: str) -> None:
    done = docker("exec", container, program, check=False)
    assert done.returncode in (126, 127), done.stdout + done.stderr
    assert re.search("executable file not found|no such file", done.stdout + done.stderr)


def test_python_cannot_make_one_either(container: str) -> None:
    done = run(
        container, "import os, subprocess; print(os.system('true')); subprocess.run('true', shell=True)"
    )
    assert "FileNotFoundError" in done.stderr
    assert done.stdout.strip() != "0"
    assert "No module named" in run(container, "import pip").stderr
    assert "No module named" in run(container, "import ensurepip").stderr


def test_every_module_can_be_imported(image: str) -> None:
    done = docker("run", "--rm", "--network", "none", "--entrypoint", "python3", image, "-c", IMPORT_ALL)
    assert int(done.stdout) > 30


def test_tls_can_be_verified(container: str) -> None:
    count = run(container, "import ssl; print(len(ssl.create_default_context().get_ca_certs()))")
    assert int(count.stdout) > 100


def test_tokens_are_made_and_listed_inside(container: str) -> None:
    command = ["exec", container, "python3", "-m", "app", "token"]
    made = json.loads(docker(*command, "create", "--name", "t", "--json").stdout)
    assert made["token"].startswith("echo_")
    assert made["id"] in docker(*command, "list").stdout


def test_orphans_are_reaped(container: str) -> None:
    """What tini would do: whoever ends up as a child of process 1 does not stay a zombie."""
    assert run(container, ORPHAN).returncode == 0
    for _ in range(20):
        if "Z" not in (states := run(container, "import time; time.sleep(0.2)" + STATES).stdout):
            break
    assert "Z" not in states


def test_metadata(image: str) -> None:
    found = inspect(image)
    config = found["Config"]
    assert config["User"] == "10001:10001"
    assert config["ExposedPorts"] == {"8080/tcp": {}}
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "python3", "-m", "app", "healthcheck"]
    labels = {
        name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()
    }
    assert set(labels) == {
        "title", "description", "licenses", "source", "revision", "version", "created", "base.name"
    }  # fmt: skip
    assert labels["version"] == "test-version"
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?|unknown", labels["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["created"])


def test_sigterm_ends_it_with_zero(image: str) -> None:
    with running(image, *NO_NETWORK) as started:
        docker("stop", "--time", "30", started)
        state = json.loads(docker("container", "inspect", started).stdout)[0]["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), docker("logs", started).stderr
