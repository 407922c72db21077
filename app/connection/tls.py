"""The server's side of TLS as the settings want it: versions, protocol, certificate, key."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.connection.certificates import CertificateError, write_throwaway
from app.settings import Settings

_BEGIN_CERTIFICATE, _END_CERTIFICATE = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class TLSError(Exception):
    """The certificate or the key cannot be used, or made; the message says which and why, on one line."""


def server_context(settings: Settings) -> tuple[ssl.SSLContext, str]:
    """The context for all connections, and the SHA-256 of its certificate as `AB:CD:...`. Raises TLSError.

    To be made before the workers are forked: they share the certificate, and the keys of session tickets.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    load = _load_throwaway if settings.tls == "throwaway" else _load_files
    return context, load(context, settings).hex(":").upper()


def _load_throwaway(context: ssl.SSLContext, _settings: Settings) -> bytes:
    try:
        with _secret_file() as (descriptor, path):
            fingerprint = write_throwaway(descriptor, socket.gethostname())
            context.load_cert_chain(path)
    except (CertificateError, OSError) as error:
        raise TLSError(
            f"ECHO_TLS='throwaway': no certificate can be made: {error}; bring one with ECHO_TLS=files"
        ) from error
    return fingerprint


@contextmanager
def _secret_file() -> Iterator[tuple[int, str]]:
    """A file for `load_cert_chain`, which reads nothing else: in memory, or gone before anybody is served."""
    try:
        descriptor = os.memfd_create("tls")
        path = f"/proc/self/fd/{descriptor}"
    except (AttributeError, OSError):  # not Linux
        descriptor, path = tempfile.mkstemp()  # readable by this user only
    try:
        yield descriptor, path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            Path(path).unlink()


def _load_files(context: ssl.SSLContext, settings: Settings) -> bytes:
    certificate, key = settings.tls_certificate, settings.tls_key
    text = _read("ECHO_TLS_CERTIFICATE", certificate, _BEGIN_CERTIFICATE)
    _read("ECHO_TLS_KEY", key, "PRIVATE KEY-----")

    def encrypted() -> str:  # or OpenSSL would ask for the password on the terminal
        raise TLSError(f"ECHO_TLS_KEY={key!r} is encrypted; nobody is there to type its password")

    try:
        context.load_cert_chain(certificate, key, encrypted)
        _, begin, rest = text.partition(_BEGIN_CERTIFICATE)
        block, end, _ = rest.partition(_END_CERTIFICATE)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(begin + block + end)).digest()
    except ssl.SSLError as error:
        reason = f"they cannot be used ({error.reason or error})"
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = "the key is not the certificate's"
        raise TLSError(f"ECHO_TLS_CERTIFICATE={certificate!r}, ECHO_TLS_KEY={key!r}: {reason}") from error


def _read(name: str, path: str, expected: str) -> str:
    """The text of a PEM file. Raises TLSError if it cannot be read or lacks what is expected."""
    try:
        text = Path(path).read_text("utf-8", "replace")
    except OSError as error:
        raise TLSError(f"{name}={path!r}: {error.strerror}") from error
    if expected not in text:
        raise TLSError(f"{name}={path!r} is no PEM file with {expected.strip('-').removeprefix('BEGIN ')!r}")
    return text
