"""`test` against small HTTPS servers with an authority of their own: a good one, and one for each fault."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

EDGE = {
    "ready: GET /up",
    "certificate is trusted and for this name",
    "TLS 1.3 is spoken",
    "TLS 1.2 is spoken",
    "TLS 1.1 is refused",
    "browsers are told to stay with HTTPS",
    "HTTP redirects to HTTPS",
}


class Authority:
    """Signs certificates; `file` is its own, for who trusts it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        own = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.file = folder / "authority.pem"
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
        )

    def sign(self, host: str) -> Path:
        """A certificate for a name or an IP address, with its key, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        is_name = any(letter.isalpha() for letter in host)
        name = x509.DNSName(host) if is_name else x509.IPAddress(ip_address(host))
        names = x509.SubjectAlternativeName([name])
        signed = (
            self._builder(x509.Name([]), key)
            .add_extension(names, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        return file


class _Ready(http.server.BaseHTTPRequestHandler):
    strict = True

    def do_GET(self) -> None:
        status = 200 if self.path == "/up" else 404
        self.send_response(status)
        if self.strict:
            self.send_header("Strict-Transport-Security", "max-age=31536000")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Lax(_Ready):
    strict = False


def _redirecting(host: str, port: int, keeps_path: bool) -> type[http.server.BaseHTTPRequestHandler]:
    class Redirecting(_Ready):
        def do_GET(self) -> None:
            self.send_response(301)
            self.send_header("Location", f"https://{host}:{port}{self.path if keeps_path else '/'}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Redirecting


class _Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A refused handshake is what is tested."""


@contextmanager
def _serving(handler: type[http.server.BaseHTTPRequestHandler], tls: ssl.SSLContext | None) -> Iterator[int]:
    server = _Quiet(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def tested(project, tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Serve, create an environment whose Url says where, and run `test`; returns its JSON."""
    with ExitStack() as servers:

        def run(
            *,
            host: str = "127.0.0.1",
            certificate_for: str = "",
            trusts_another: bool = False,
            oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
            newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
            redirects: bool = True,
            keeps_path: bool = True,
            strict: bool = True,
        ) -> dict[str, Any]:
            authority = Authority(tmp_path / "authority")
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(authority.sign(certificate_for or host))
            tls.set_ciphers("DEFAULT:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                tls.minimum_version, tls.maximum_version = oldest, newest
            port = servers.enter_context(_serving(_Ready if strict else _Lax, tls))
            handler = _redirecting(host, port, keeps_path) if redirects else _Ready
            plain = servers.enter_context(_serving(handler, None))
            trusted = Authority(tmp_path / "another") if trusts_another else authority
            _describe(project, f"https://{host}:{port}", plain, trusted.file)
            created = project.do("create", "--runtime", "process")
            trusted_for_this = not trusts_another and not certificate_for
            assert (created.exit_code == 0) is trusted_for_this, created.output
            if trusted_for_this:
                resolve = "" if host == "127.0.0.1" else f" --resolve {host}:{port}:127.0.0.1"
                assert f'curl -s --cacert {trusted.file}{resolve} "$URL/up"' in created.stdout
            else:
                assert "is not trusted" in created.stderr
            done = project.do("test", "--json")
            found = json.loads(done.stdout)
            assert done.exit_code == (0 if found["passed"] else 1)
            assert "what only the echo service does is not tested" in done.stderr
            return found

        yield run


def _describe(project: Any, url: str, plain: int, ca: Path) -> None:
    project.edit(
        "service",
        "Parameters:",
        "Parameters:\n"
        "  HttpPort: {Type: Number, MinValue: 1, MaxValue: 65535}\n"
        "  HealthCheckPath: {Type: String, Default: /up}",
    )
    project.edit("service", "Outputs:", f"Outputs:\n  Url: {{Value: '{url}'}}")
    text = project.file.read_text()
    start, end = text.index("[token]"), text.index("[tags]")
    text = text[:start] + text[end:] + f"[parameters.service]\nHttpPort = {plain}\n"
    project.file.write_text(text.replace("process_images", f'ca = "{ca}"\nprocess_images'))


def failed(found: dict[str, Any]) -> set[str]:
    assert {one["name"] for one in found["checks"]} == EDGE
    return {one["name"] for one in found["checks"] if not one["passed"]}


@pytest.mark.parametrize("host", ["127.0.0.1", "echo.example.test"])
def test_a_good_one_passes_also_by_a_name_that_no_dns_knows(tested, host):
    found = tested(host=host)
    assert failed(found) == set()
    assert found["passed"]


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ({"certificate_for": "127.0.0.2"}, EDGE - {"TLS 1.1 is refused", "HTTP redirects to HTTPS"}),
        ({"trusts_another": True}, EDGE - {"TLS 1.1 is refused", "HTTP redirects to HTTPS"}),
        ({"oldest": ssl.TLSVersion.TLSv1_1}, {"TLS 1.1 is refused"}),
        ({"newest": ssl.TLSVersion.TLSv1_2}, {"TLS 1.3 is spoken"}),
        ({"redirects": False}, {"HTTP redirects to HTTPS"}),
        ({"keeps_path": False}, {"HTTP redirects to HTTPS"}),
        ({"strict": False}, {"browsers are told to stay with HTTPS"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_fault_fails_its_check(tested, fault, wrong):
    assert failed(tested(**fault)) == wrong


def test_an_authority_that_cannot_be_read_is_named(tested, project):
    tested()
    text = project.file.read_text()
    line = next(line for line in text.splitlines() if line.startswith("ca = "))
    project.file.write_text(text.replace(line, 'ca = "nowhere.pem"'))
    done = project.do("test")
    assert done.exit_code == 1, done.output
    assert f"{project.root / 'nowhere.pem'} cannot be used" in done.stderr
    assert "[endpoint] ca" in done.stderr
