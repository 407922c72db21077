"""TLS of the service's own: every kind of route, certificates of both kinds, and wrong ones."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.sync.client import connect

from app.connection import certificates
from app.connection.certificates import VALID_DAYS, CertificateError, alternative_names, write_throwaway
from app.connection.tls import TLSError, server_context
from app.http import BODY_LIMIT
from app.settings import load
from tests.app.servers import Server, StartServer, clean_environment, free_port, run_app, start, stop

# Where a certificate and its key are.
Pair = tuple[Path, Path]


def make_pair(folder: Path, name: str = "echo.example") -> Pair:
    """A certificate and a key in files of their own."""
    folder.mkdir(exist_ok=True)
    both = folder / "both.pem"
    with both.open("wb") as file:
        write_throwaway(file.fileno(), name)
    text = both.read_text()
    middle = text.index("-----BEGIN PRIVATE KEY-----")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_text(text[:middle])
    key.write_text(text[middle:])
    return certificate, key


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(
        tmp_path_factory.mktemp("server"), ECHO_TLS="throwaway", ECHO_WORKERS="2", ECHO_HEADER_SECONDS="2"
    )
    yield running
    stop(running)


def openssl(*arguments: str, given: str = "") -> str:
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no openssl command, and CI=true demands one")
        pytest.skip("there is no openssl command")
    done = subprocess.run(
        ["openssl", *arguments], input=given, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout


def test_every_kind_of_route_answers(server: Server) -> None:
    token, _ = server.new_token()
    good = {"Authorization": f"Bearer {token}"}
    assert server.url.startswith("https://")
    with requests.Session() as session:

        def ask(method: str, path: str, **more: Any) -> requests.Response:
            # The session's own `verify` would give way to REQUESTS_CA_BUNDLE.
            return session.request(method, server.url + path, verify=server.verify, timeout=30, **more)

        assert ask("GET", "/hello").json() == {"Hello": "Welcome to the Echo Room."}
        seen = ask("PUT", "/anything", data="x", headers=good | {"X-Forwarded-Proto": "http"}).json()
        assert (seen["body"], seen["scheme"], seen["source"]) == ("x", "https", "127.0.0.1")
        assert ["x-forwarded-proto", "http"] in seen["headers"], "what a proxy says stays its own word"
        assert ask("GET", "/whoami", headers=good).status_code == 200
        assert ask("GET", "/openapi.json").status_code == 200
        assert ask("GET", "/nothing").status_code == 404
        assert ask("HEAD", "/hello").content == b""
    assert server.echo(token, "größe \0").json() == {"str": "größe \0"}


def test_websockets(server: Server) -> None:
    token, _ = server.new_token()
    url = server.url.replace("https", "wss", 1) + "/ws"
    headers = {"Authorization": f"Bearer {token}", "Origin": server.url}
    with connect(url, ssl=server.client_context, additional_headers=headers) as client:
        for message in ("hello", b"\0\xff", "x" * 300_000):
            client.send(message)
            assert client.recv(timeout=30) == message


def test_the_largest_echo_and_pipelined_requests(server: Server) -> None:
    token, _ = server.new_token()
    text = "x" * (BODY_LIMIT - 20)
    assert server.echo(token, text).json() == {"str": text}
    with server.connect() as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        received = b""
        while received.count(b"Welcome to the Echo Room") < 20:
            piece = connection.recv(65536)
            assert piece
            received += piece


def test_versions_and_protocol(server: Server) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cadata=server.certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.minimum_version = context.maximum_version = version
        server.client_context = context
        with server.connect() as connection:
            assert isinstance(connection, ssl.SSLSocket)
            assert connection.version() == version.name.replace("_", ".")
            assert connection.selected_alpn_protocol() == "http/1.1"
    del server.client_context
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    server.client_context = old
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.connect()
    del server.client_context


def test_all_workers_show_the_certificate_that_was_logged(server: Server) -> None:
    shown = set()
    for _ in range(20):
        pem = ssl.get_server_certificate(("127.0.0.1", server.port), timeout=30)
        shown.add(hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest())
    logged = re.findall(r"the certificate's SHA-256 is ([0-9A-F:]{95})\n", server.output())
    assert [value.replace(":", "").lower() for value in logged] == list(shown)
    assert "PRIVATE KEY" not in server.output()
    assert f"Listening at: {server.url}" in server.output()


def test_a_throwaway_certificate(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    text = openssl("x509", "-noout", "-text", "-in", str(certificate))
    assert "NIST CURVE: P-256" in text
    assert "Signature Algorithm: ecdsa-with-SHA256" in text
    assert re.search(r"Basic Constraints: critical\s+CA:FALSE\n", text)
    assert re.search(r"Key Usage: critical\s+Digital Signature\n", text)
    assert re.search(r"Extended Key Usage: *\s+TLS Web Server Authentication\n", text)
    names = "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:echo.example"
    assert f"{names}\n" in text
    assert openssl("x509", "-noout", "-pubkey", "-in", str(certificate)) == openssl(
        "pkey", "-pubout", "-in", str(key)
    )


def test_what_a_client_that_pins_it_sees(server: Server) -> None:
    context = ssl.create_default_context(cadata=server.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default of newer Pythons
    server.client_context = context
    with server.connect() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        seen = connection.getpeercert()
    del server.client_context
    assert seen is not None
    assert ("DNS", "localhost") in seen["subjectAltName"]
    begin, end = (ssl.cert_time_to_seconds(str(seen[name])) for name in ("notBefore", "notAfter"))
    assert end - begin == VALID_DAYS * 86400
    assert seen["version"] == 3


def test_no_two_are_alike(tmp_path: Path) -> None:
    pairs = [make_pair(tmp_path / str(number)) for number in range(5)]
    assert len({key.read_text() for _, key in pairs}) == 5
    serials = {openssl("x509", "-noout", "-serial", "-in", str(certificate)) for certificate, _ in pairs}
    assert len(serials) == 5
    assert all(len(serial) > len("serial=") + 24 for serial in serials), "128 random bits"


@pytest.mark.parametrize("name", ["a,DNS:evil.example", "a b", "", "x" * 300, "-x", "ä.example", "localhost"])
def test_only_a_host_name_becomes_a_name(tmp_path: Path, name: str) -> None:
    assert alternative_names(name) == ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]
    make_pair(tmp_path, name)


def test_the_key_is_in_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where files cannot be in memory only."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server_context(load({"ECHO_TLS": "throwaway"}))
    monkeypatch.delattr(os, "memfd_create")
    server_context(load({"ECHO_TLS": "throwaway"}))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(TLSError, match=r"^ECHO_TLS='throwaway': .*missing.*ECHO_TLS=files$"):
        server_context(load({"ECHO_TLS": "throwaway"}))


def test_it_starts_where_nothing_can_be_written(start_server: StartServer) -> None:
    server = start_server(ECHO_TLS="throwaway", TMPDIR="/nonexistent")
    assert server.terminate() == 0


def test_a_python_that_hides_its_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_ssl.__file__", "libc.so.6")
    with pytest.raises(TLSError, match=r"does not let its OpenSSL be called .*ECHO_TLS=files$"):
        server_context(load({"ECHO_TLS": "throwaway"}))


def test_a_failure_within_openssl_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(certificates._EXTENSIONS, "keyUsage", "nonsense")
    with (
        (tmp_path / "x").open("wb") as file,
        pytest.raises(CertificateError, match=r"^X509V3_EXT_nconf: error:"),
    ):
        write_throwaway(file.fileno(), "x")
    assert (tmp_path / "x").read_bytes() == b""


def test_files(start_server: StartServer, tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path / "pair")
    server = start_server(ECHO_TLS="files", ECHO_TLS_CERTIFICATE=str(certificate), ECHO_TLS_KEY=str(key))
    assert server.certificate.split() == certificate.read_text().split()
    assert requests.get(f"{server.url}/hello", verify=str(certificate), timeout=30).status_code == 200
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()
    assert digest.upper() in server.output().replace(":", "")


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("missing certificate", "ECHO_TLS_CERTIFICATE='{certificate}': No such file or directory"),
        ("missing key", "ECHO_TLS_KEY='{key}': No such file or directory"),
        ("folder", "ECHO_TLS_CERTIFICATE='{certificate}': Is a directory"),
        ("no PEM", "ECHO_TLS_CERTIFICATE='{certificate}' is no PEM file with 'CERTIFICATE'"),
        ("no key", "ECHO_TLS_KEY='{key}' is no PEM file with 'PRIVATE KEY'"),
        ("broken", "ECHO_TLS_CERTIFICATE='{certificate}', ECHO_TLS_KEY='{key}': they cannot be used ("),
        ("another's key", "ECHO_TLS_CERTIFICATE='{certificate}', ECHO_TLS_KEY='{key}': the key is not the"),
        ("encrypted", "ECHO_TLS_KEY='{key}' is encrypted; "),
    ],
)  # fmt: skip
def test_wrong_files_are_one_line(tmp_path: Path, mistake: str, message: str) -> None:
    certificate, key = make_pair(tmp_path / "pair")
    if mistake == "missing certificate":
        certificate.unlink()
    elif mistake == "missing key":
        key.unlink()
    elif mistake == "folder":
        certificate.unlink()
        certificate.mkdir()
    elif mistake == "no PEM":
        certificate.write_bytes(ssl.PEM_cert_to_DER_cert(certificate.read_text()))
    elif mistake == "no key":
        key.write_text(certificate.read_text())
    elif mistake == "broken":
        certificate.write_text(certificate.read_text().replace("M", "N"))
    elif mistake == "another's key":
        key.write_text(make_pair(tmp_path / "other")[1].read_text())
    else:
        key.write_text(openssl("pkcs8", "-topk8", "-passout", "pass:secret", given=key.read_text()))
    result = run_app(
        "serve", ECHO_TLS="files", ECHO_TLS_CERTIFICATE=str(certificate), ECHO_TLS_KEY=str(key),
        ECHO_PORT=str(free_port()), ECHO_SQLITE_PATH=str(tmp_path / "db"),
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("error: " + message.format(certificate=certificate, key=key))
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "db").exists()


NEEDED = "is not set; ECHO_TLS is 'files' and needs it"
UNUSED = "would not be used: ECHO_TLS is {!r}; set it to 'files'"


@pytest.mark.parametrize(
    ("tls", "certificate", "key", "message"),
    [
        ("on", "", "", "ECHO_TLS='on': not one of them; it must be `off`, `throwaway` or `files`"),
        ("files", "", "k", f"ECHO_TLS_CERTIFICATE {NEEDED}"),
        ("files", "c", "", f"ECHO_TLS_KEY {NEEDED}"),
        ("off", "", "k", f"ECHO_TLS_KEY='k' {UNUSED.format('off')}"),
        ("throwaway", "c", "", f"ECHO_TLS_CERTIFICATE='c' {UNUSED.format('throwaway')}"),
    ],
)
def test_settings_that_contradict_each_other(tls: str, certificate: str, key: str, message: str) -> None:
    result = run_app("serve", ECHO_TLS=tls, ECHO_TLS_CERTIFICATE=certificate, ECHO_TLS_KEY=key)
    assert (result.returncode, result.stderr) == (2, f"error: {message}\n")


def test_healthcheck(server: Server) -> None:
    here = {"ECHO_PORT": str(server.port), "ECHO_TLS": "throwaway"}
    done = run_app("healthcheck", **here)
    assert (done.returncode, done.stderr) == (0, "")
    plain = run_app("healthcheck", ECHO_PORT=str(server.port))
    assert (plain.returncode, plain.stderr) == (
        1,
        f"error: http://127.0.0.1:{server.port}/healthz answered 400\n",
    )
    gone = run_app("healthcheck", **here | {"ECHO_PORT": str(free_port())})
    assert gone.returncode == 1
    assert gone.stderr.startswith("error: https://127.0.0.1:")


def test_what_is_not_wanted_is_not_loaded() -> None:
    """Plain HTTP does not pay for TLS."""
    code = (
        "import sys, json, app.worker; from app.settings import load; from app.server import Server;"
        "Server(load({})).wsgi(); print(json.dumps([name for name in sys.modules if name[:4] == 'app.']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert not {"app.connection.tls", "app.connection.certificates", "app.connection.tlsconnection"} & set(
        json.loads(done.stdout)
    )
