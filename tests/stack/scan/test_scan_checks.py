"""The checks with the tools they run: planted secrets and vulnerabilities are found, and nothing else."""

from __future__ import annotations

import http.server
import json
import marshal
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stack.cli import tool
from stack.errors import ToolError
from stack.image import engine
from stack.scan import dependencies, image
from stack.scan.result import TOOLS, Finding, Target
from stack.terminal import Terminal
from tests.stack.saved_images import Layer, build, remove, save, stand_in

AKIA = "AKIA" + "Q3EGRT5ZPLM2XWVN"
TOKEN = "echo_" + "a1B2c3D4" * 4 + "x9Y8z7"
KEY = (
    "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 2 + "\n-----END PRIVATE KEY-----\n"
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.fixture(autouse=True)
def tools() -> None:
    if not (TOOLS / "pip-audit").exists():
        if os.environ.get("CI") == "true":
            pytest.fail("the scanning tools are not installed, and CI=true demands them")
        pytest.skip("the scanning tools are not installed: make scan")


@pytest.fixture
def scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*layers: Layer, config: dict[str, Any] | None = None) -> list[Finding]:
        identity = save(tmp_path / "saved.tar", list(layers), config)
        stand_in(tmp_path / "bin", monkeypatch, tmp_path / "saved.tar", identity)
        return image.run(Target(tmp_path, "planted:1", Terminal()))

    return run


def pyc(*constants: object) -> bytes:
    """Byte code as Python writes it: constants stick to each other."""
    return b"\xf3\x0d\x0d\x0a" + b"\0" * 12 + marshal.dumps(constants)


@pytest.mark.parametrize(
    ("rule", "secret"),
    [
        ("aws-key", AKIA),
        ("aws-key", "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzz0123KEYy"),
        ("echo-token", TOKEN),
        ("echo-token", TOKEN.replace("echo_", "echos_")),
        ("echo-token", TOKEN.replace("echo_", "echoi_")),
        ("private-key", KEY),
        ("private-key", KEY.replace("PRIVATE", "RSA PRIVATE")),
        ("github-token", "ghp_" + "a1B2" * 9),
        ("github-token", "github_pat_" + "a" * 82),
        ("slack-token", "xoxb-123456789012-123456789012-" + "aB3" * 8),
        ("stripe-key", "sk_live_" + "a1B2" * 6),
        ("json-web-token", JWT),
        ("basic-auth", "postgres://admin:hunter22@db.internal/main"),
    ],
)
@pytest.mark.parametrize("kind", ["text", "byte code"])
def test_each_known_format_is_found_in_text_and_in_byte_code(
    scan: Any, rule: str, secret: str, kind: str
) -> None:
    if kind == "text":
        files: Layer = {"srv/app/notes.txt": f"first line\nsecond: {secret}\n".encode()}
    else:
        files = {"srv/app/notes.txt": pyc("x", secret, None, "tail")}
    found = scan(files)
    assert {(one.rule, one.where) for one in found} == {(rule, "/srv/app/notes.txt")}
    if kind == "text":
        assert "at line 2" in found[0].what
    # What is found is not spread further.
    assert not any(secret[:12] in f"{one}" for one in found)


def test_a_clean_image_has_no_findings(scan: Any) -> None:
    files: Layer = {
        "srv/app/main.pyc": pyc("echo_requests_total", "https://example.com:443/a@b", "AKIA", None),
        "usr/lib/libc.so.6": bytes(range(256)) * 500,
        "etc/ssl/certs/ca-certificates.crt": b"-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----",
        "srv/app/environment.py": b"",
        "srv": None,
    }
    config = {"config": {"Env": ["PATH=/usr/bin", "ECHO_TOKEN="], "Labels": {"title": "echo"}}}
    assert scan(files, config=config) == []


def test_what_a_later_layer_hides_is_found_all_the_same(scan: Any) -> None:
    found = scan({"root/key": AKIA.encode()}, {"root/.wh.key": b""})
    assert [(one.rule, one.where) for one in found] == [("aws-key", "/root/key")]


@pytest.mark.parametrize(
    ("config", "rule", "where"),
    [
        ({"config": {"Env": [f"NOTE={TOKEN}"]}}, "echo-token", "configuration: Env"),
        ({"config": {"Env": ["DB_PASSWORD=x"]}}, "secret-variable", "configuration: Env"),
        ({"config": {"Labels": {"note": KEY}}}, "private-key", "configuration: Labels"),
        ({"config": {"Cmd": ["serve", AKIA]}}, "aws-key", "configuration: Cmd"),
        ({"history": [{"created_by": f"RUN x {AKIA}"}]}, "aws-key", "configuration: history"),
        (
            {"history": [{}, {"created_by": "|1 NPM_TOKEN=abc /bin/sh -c make"}]},
            "secret-variable",
            "configuration: history",
        ),
    ],
)
def test_the_configuration_counts_too(scan: Any, config: dict[str, Any], rule: str, where: str) -> None:
    assert [(one.rule, one.where) for one in scan({"a": b""}, config=config)] == [(rule, where)]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("srv/.env", "/srv/.env"),
        ("srv/app/.env.production", "/srv/app/.env.production"),
        ("srv/.git/objects/ab/cd", "/srv/.git"),
        ("root/.ssh/id_ed25519", "/root/.ssh"),
        ("srv/id_rsa", "/srv/id_rsa"),
        ("root/.aws/config", "/root/.aws"),
        ("root/.cache/pip/http/a", "/root/.cache"),
        ("root/.docker/config.json", "/root/.docker"),
    ],
)
def test_files_that_have_no_place_in_an_image_are_named_once(scan: Any, path: str, where: str) -> None:
    found = scan({path: b"harmless", f"{path}2": b"harmless"} if path.count("/") > 2 else {path: b"harmless"})
    assert [(one.rule, one.where) for one in found] == [("misplaced-file", where)]


def test_detectors_that_break_are_not_taken_for_a_clean_image(
    scan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no detectors here')\n")
    monkeypatch.setattr(image, "_DETECTORS", broken)
    with pytest.raises(ToolError, match="exit code 1: no detectors here"):
        scan({"big": b"x" * 1_000_000})


@pytest.mark.parametrize(
    ("content", "code", "state"), [(b"clean", 0, "passed"), (AKIA.encode(), 1, "failed")]
)
def test_the_command_scans_the_image_that_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, code: int, state: str
) -> None:
    identity = save(tmp_path / "saved.tar", [{"file": content}])
    log = stand_in(tmp_path / "bin", monkeypatch, tmp_path / "saved.tar", identity)
    words = ["--project", str(tmp_path), "scan", "--image", "given:1", "--offline", "--json"]
    done = CliRunner().invoke(tool, words)
    assert done.exit_code == code, done.output
    answer = json.loads(done.stdout)
    states = {one["name"]: one["state"] for one in answer["checks"]}
    assert states.pop("image") == state
    assert set(states.values()) == {"passed"}, "a project without templates has none that could be wrong"
    assert answer["left_out"] == ["dependencies"]
    assert log.read_text().endswith(" given:1\n")


@pytest.mark.engine
def test_an_image_of_a_real_engine_is_scanned() -> None:
    if engine.detect().state != "works":
        assert not os.environ.get("CI"), "CI has to have a Docker engine"
        pytest.skip("no Docker engine answers")
    tag = f"echo-room-scan:{uuid.uuid4().hex[:12]}"
    files: Layer = {"clean": f"{tag}".encode(), "key": AKIA.encode()}
    try:
        for content, expected in (("COPY clean /", []), ("COPY key /\nCOPY clean /key", ["/key"])):
            build(tag, files, f"FROM scratch\n{content}\n")
            found = image.run(Target(Path(), tag, Terminal()))
            assert [one.where for one in found if one.rule == "aws-key"] == expected
            assert len(found) == len(expected)
        build(
            tag,
            files,
            "FROM scratch\nARG API_TOKEN\nENV SHOWN=${API_TOKEN}\nCOPY clean /\n",
            "--build-arg",
            f"API_TOKEN={TOKEN}",
        )
        assert "configuration: Env" in {one.where for one in image.run(Target(Path(), tag, Terminal()))}
    finally:
        remove(tag)


# --- dependencies ---

LOCK = (
    "flask==3.1.3 \\\n    --hash=sha256:" + "0" * 64 + "\nother==1.0 \\\n    --hash=sha256:" + "1" * 64 + "\n"
)
VULNERABILITY = {
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2026-0001"],
    "summary": "Flask forgets something",
    "affected": [
        {
            "package": {"name": "flask", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.4"}]}],
        }
    ],
}


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A vulnerability database over HTTP that knows one of Flask; gives the names it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(f"{query['package']['name']} {query['version']}")
            body = json.dumps(
                {"vulns": [VULNERABILITY]} if query["package"]["name"] == "flask" else {}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"http://127.0.0.1:{server.server_port}/v1/query")
    yield asked
    server.shutdown()
    server.server_close()


def checkout(root: Path, **locks: str) -> Target:
    for name, text in locks.items():
        folder = root / name.replace("_", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "requirements.txt").write_text(text)
    return Target(root, "", Terminal())


def test_a_known_vulnerability_names_its_locks_and_the_way_out(tmp_path: Path, database: list[str]) -> None:
    clean = LOCK[LOCK.index("other") :]
    (tmp_path / ".venv" / "x").mkdir(parents=True)
    (tmp_path / ".venv" / "requirements.txt").write_text("not a lock")
    found = dependencies.run(checkout(tmp_path, app=LOCK, docs_more=LOCK, tests=clean))
    assert found == [
        Finding(
            "CVE-2026-0001",
            "flask==3.1.3",
            "CVE-2026-0001, GHSA-aaaa-bbbb-cccc (locked in app/requirements.txt, docs/more/requirements.txt)",
            "Flask forgets something",
            "update to 3.1.4: make lock",
        )
    ]
    assert sorted(database) == ["flask 3.1.3"] * 2 + ["other 1.0"] * 3


def test_locks_without_known_vulnerabilities_pass(tmp_path: Path, database: list[str]) -> None:
    assert dependencies.run(checkout(tmp_path, app=LOCK[LOCK.index("other") :])) == []
    assert database == ["other 1.0"]


def test_a_database_that_does_not_answer_is_no_clean_bill(
    tmp_path: Path, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{unused_port}/v1/query"
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", url)
    with pytest.raises(ToolError) as raised:
        dependencies.run(checkout(tmp_path, app=LOCK))
    assert raised.value.message == f"The vulnerability database {url} cannot be reached."
    assert "OFFLINE=1" in raised.value.hint


def test_a_lock_without_hashes_is_not_audited(tmp_path: Path, database: list[str]) -> None:
    with pytest.raises(ToolError, match=r"could not audit app/requirements.txt: .*hash"):
        dependencies.run(checkout(tmp_path, app="flask==3.1.3\n"))
    assert database == []


def test_what_pip_audit_skips_is_a_finding(tmp_path: Path, database: list[str]) -> None:
    by_url = "https://example.com/x-1.0.tar.gz --hash=sha256:" + "0" * 64 + "\n"
    (found,) = dependencies.run(checkout(tmp_path, app=by_url))
    assert found.rule == "not-audited"
    assert "could not deduce" in found.why
