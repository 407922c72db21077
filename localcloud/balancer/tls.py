"""TLS at the balancer: what an HTTPS listener presents, and how it talks to HTTPS targets."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from localcloud import certificates

#: A target's certificate is not looked at, as on AWS: the VPC is what is trusted.
TARGET_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TARGET_CONTEXT.check_hostname = False
TARGET_CONTEXT.verify_mode = ssl.CERT_NONE


def certificate_arns(record: dict[str, Any]) -> list[str]:
    """A listener's certificates, the default one first."""
    return [*record.get("Certificates", []), *record.get("AdditionalCertificates", [])]


def check(record: dict[str, Any]) -> None:
    """Refuse a listener that could not finish a handshake. Raises NoCertificateError."""
    arns = certificate_arns(record)
    if not arns:
        raise certificates.NoCertificateError("A certificate must be specified for HTTPS listeners")
    for arn in arns:
        certificates.file_of(arn)


def listening_context(record: Callable[[], dict[str, Any] | None]) -> ssl.SSLContext:
    """A context that asks `record` for the listener's certificates in every handshake: they may change."""
    cache: dict[tuple[str, str, int], ssl.SSLContext] = {}

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        found = record()
        if found is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        arns = certificate_arns(found)
        arn = next((a for a in arns if name and _covers(certificates.names(a), name)), arns[0])
        path = certificates.file_of(arn)
        key = (str(path), str(found.get("SslPolicy")), path.stat().st_mtime_ns)
        if key not in cache:
            cache[key] = _context(str(found.get("SslPolicy") or ""))
            cache[key].load_cert_chain(path)
        connection.context = cache[key]
        return None

    first = record()
    context = _context(str((first or {}).get("SslPolicy") or ""))
    context.sni_callback = choose
    return context


def _context(policy: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Policies name the versions they allow. What is older than 1.2 is not offered here under any of them.
    only_13 = policy.startswith("ELBSecurityPolicy-TLS13-1-3")
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if only_13 else ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _covers(names: list[str], asked: str) -> bool:
    asked = asked.lower()
    wildcard = "*." + asked.partition(".")[2]
    return any(name.lower() in (asked, wildcard) for name in names)
