"""ACM's certificates as real ones: signed by the throwaway authority, with a key that a listener can use.

ACM's records are MiniStack's. It keeps no private keys and makes up the PEM texts; here each record gets a
certificate for its names, and key and certificate stand in one file of the state directory, mode 0600.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from localcloud import emulator
from localcloud.authority import Authority, is_ending, names_in, write_private

Record = dict[str, Any]

_authority: Authority | None = None


class NoCertificateError(ValueError):
    """There is no such certificate in ACM, or it cannot be used."""


def install(directory: Path) -> None:
    """Keep authority and certificates in `directory`; the authority is made when it is not there."""
    global _authority
    _authority = Authority(directory)
    _authority.create()
    acm = _acm()
    request, load, delete = acm._request_certificate, acm._import_certificate, acm._delete_certificate

    def requesting(data: Record) -> Any:
        answer = request(data)
        arn = _arn(answer)
        if arn:
            acm._certificates[arn]["KeyAlgorithm"] = data.get("KeyAlgorithm") or "RSA_2048"
            issue(arn)
        return answer

    def importing(data: Record) -> Any:
        answer = load(data)
        if arn := _arn(answer):
            record = acm._certificates[arn]
            _keep_imported(arn, record)
            if found := names_in(record["_pem_body"]):
                record["DomainName"], record["SubjectAlternativeNames"] = found[0], found
        return answer

    def deleting(data: Record) -> Any:
        answer = delete(data)
        if answer[0] == 200:
            forget(data["CertificateArn"])
        return answer

    acm._request_certificate, acm._import_certificate = requesting, importing
    acm._delete_certificate = deleting


def _arn(answer: Any) -> str:
    """The certificate that an answer names, "" when it is a refusal."""
    status, _, body = answer
    return str(json.loads(body)["CertificateArn"]) if status == 200 else ""


def _acm() -> Any:
    return emulator.module("services.acm")


def _installed() -> Authority:
    if _authority is None:
        raise RuntimeError("certificates.install must come first")
    return _authority


def _record(arn: str) -> Record:
    for key, record in _acm()._certificates.all_items():
        if key[2] == arn:
            found: Record = record
            return found
    raise NoCertificateError(f"Certificate ARN '{arn}' is not valid: there is no such certificate")


def _file(arn: str) -> Path:
    return _installed().directory / f"{arn.rpartition('/')[2]}.pem"


def _keep_imported(arn: str, record: Record) -> None:
    """Write the key down at once: ACM's saved state has none."""
    parts = (record[part].strip() for part in ("_private_key", "_pem_body", "_pem_chain"))
    write_private(_file(arn), "".join(f"{part}\n" for part in parts if part).encode())


def issue(arn: str) -> None:
    """Sign the record's names anew. Raises UnknownAlgorithmError."""
    record, authority = _record(arn), _installed()
    leaf = authority.issue(record["SubjectAlternativeNames"], record.get("KeyAlgorithm") or "RSA_2048")
    record["_pem_body"], record["_pem_chain"] = leaf.certificate, authority.certificate.read_text()
    record["NotAfter"] = leaf.not_after.strftime("%Y-%m-%dT%H:%M:%SZ")
    write_private(_file(arn), (leaf.private_key + leaf.certificate).encode())


def forget(arn: str) -> None:
    """Delete the key of a certificate that is gone."""
    _file(arn).unlink(missing_ok=True)


def names(arn: str) -> list[str]:
    """The DNS names of a certificate. Raises NoCertificateError."""
    found: list[str] = _record(arn)["SubjectAlternativeNames"]
    return found


def file_of(arn: str) -> Path:
    """A PEM file with private key, certificate and chain, for `ssl`; renewed when it is about to end.

    Raises NoCertificateError.
    """
    record, path = _record(arn), _file(arn)
    if record["Type"] == "IMPORTED":
        if not path.exists():
            raise NoCertificateError(f"the private key of {arn} is gone: import it again")
    elif not path.exists() or is_ending(record["_pem_body"]):
        issue(arn)
    return path
