"""The throwaway certificate authority that signs what the local cloud's HTTPS listeners present.

It is made once for a state directory and trusted by nobody until a caller names its certificate (`--cacert`).
Keys are ECDSA on P-256 unless a certificate asks for another algorithm of ACM's.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_AUTHORITY_DAYS = 3650
#: Some clients refuse a server's certificate that lasts longer, whoever signed it.
_LEAF_DAYS = 397
#: A leaf with less than this left is not used any more.
_RENEWAL_DAYS = 30


class UnknownAlgorithmError(ValueError):
    """A key algorithm that this authority does not sign for."""


def _new_key(algorithm: str) -> Key:
    if algorithm in ("EC_prime256v1", "EC_secp384r1"):
        return ec.generate_private_key(ec.SECP256R1() if algorithm == "EC_prime256v1" else ec.SECP384R1())
    if algorithm in ("RSA_2048", "RSA_3072", "RSA_4096"):
        return rsa.generate_private_key(65537, int(algorithm.removeprefix("RSA_")))
    raise UnknownAlgorithmError(
        f"the local cloud has no certificates with KeyAlgorithm {algorithm}: "
        f"use EC_prime256v1, EC_secp384r1, RSA_2048, RSA_3072 or RSA_4096"
    )


@dataclass(frozen=True)
class Leaf:
    """A server's certificate: PEM texts, and when it ends."""

    certificate: str
    private_key: str
    not_after: dt.datetime


@dataclass(frozen=True)
class Authority:
    """The authority kept in `directory`: `authority.pem`, which may be given away, and `authority.key`."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """What a client has to trust: the authority's own certificate."""
        return self.directory / "authority.pem"

    @property
    def _key(self) -> Path:
        return self.directory / "authority.key"

    def create(self) -> None:
        """Make key and certificate unless they exist."""
        if self.certificate.exists():
            return
        self.directory.mkdir(mode=0o700, exist_ok=True)
        key = _new_key("EC_prime256v1")
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Local cloud, throwaway authority")])
        certificate = (
            _builder(name, name, key, _AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self._key, _pem_of_key(key).encode())
        # Last, because it is what says that all is there.
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, names: list[str], algorithm: str) -> Leaf:
        """A new certificate for DNS names, wildcards included. Raises UnknownAlgorithmError."""
        issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        signer = serialization.load_pem_private_key(self._key.read_bytes(), None)
        if not isinstance(signer, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key} is not the key this authority was made with")
        key = _new_key(algorithm)
        # A common name has 64 characters at most; what counts for clients are the alternative names.
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        certificate = (
            _builder(subject, issuer.subject, key, _LEAF_DAYS)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
            .sign(signer, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        return Leaf(pem, _pem_of_key(key), certificate.not_valid_after_utc)


def is_ending(certificate: str) -> bool:
    """Whether a PEM certificate should be replaced by a new one."""
    left = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc - _now()
    return left < dt.timedelta(days=_RENEWAL_DAYS)


def names_in(certificate: str) -> list[str]:
    """The DNS names that a PEM certificate is for."""
    extensions = x509.load_pem_x509_certificate(certificate.encode()).extensions
    try:
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on, and replace what was there."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, days: int) -> x509.CertificateBuilder:
    # A clock that is a little behind must not find a certificate of the future.
    begin = _now() - dt.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=days))
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates,
        crl_sign=signs_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem_of_key(key: Key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
