"""The service's name: its zone, whether name servers lead to it, its certificate, and who may issue it.

What DNS says is asked of this machine's resolver; without an answer it is not known, which is no problem yet.
"""

from __future__ import annotations

from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from botocore.exceptions import ClientError

from stack.aws import stacks
from stack.doctor.finding import Finding, Findings, Subject

# One of them has to be in a CAA record, where a name has any, for ACM to issue a certificate.
_ISSUERS = {"amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"}
_CERTIFICATE = "AWS::CertificateManager::Certificate"
_SECONDS = 6.0
_CHECKS = ("domain and zone", "name servers", "certificate", "CAA record")


def all_of_them(subject: Subject) -> Findings:
    """Look at the name that clients call, where the environment has one."""
    name = subject.setting("DomainName").rstrip(".")
    if subject.cloud.environment.endpoint or not name:
        why = "names mean something at the endpoint only" if name else "plain HTTP, no name"
        for check in _CHECKS:
            yield Finding(check, "not needed", why)
        return
    yield from _zone(subject, name)
    yield _certificate(subject, name)
    yield _caa(subject, name)


def _zone(subject: Subject, name: str) -> Findings:
    zone_id = subject.setting("HostedZoneId")
    file = subject.cloud.environment.file
    if not zone_id:
        yield Finding(_CHECKS[0], "not needed", f"{name} is made elsewhere, as HostedZoneId is none")
        yield Finding(_CHECKS[1], "not needed", "the zone is somebody else's")
        return
    try:
        answer = subject.cloud.cached("route53").get_hosted_zone(Id=zone_id)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchHostedZone", "InvalidInput"):
            raise
        correct = f"Correct HostedZoneId in {file}; there are: aws route53 list-hosted-zones"
        yield Finding(_CHECKS[0], "problem", f"this account has no hosted zone {zone_id}", correct)
        yield Finding(_CHECKS[1], "not known", "there is no zone to compare with")
        return
    zone = answer["HostedZone"]["Name"].rstrip(".")
    private = answer["HostedZone"].get("Config", {}).get("PrivateZone", False)
    if private:
        public = "Give the public zone of that name; a certificate is validated there too."
        yield Finding(_CHECKS[0], "problem", f"{zone} ({zone_id}) is a private zone", public)
    elif not dns.name.from_text(name).is_subdomain(dns.name.from_text(zone)):
        correct = f"Correct DomainName or HostedZoneId in {file}."
        yield Finding(_CHECKS[0], "problem", f"{name} is not in the zone {zone} ({zone_id})", correct)
    else:
        yield Finding(_CHECKS[0], "ok", f"{name} is in the public zone {zone} ({zone_id})")
    if private:
        yield Finding(_CHECKS[1], "not needed", "nobody else's name servers know of a private zone")
    else:
        yield _delegation(zone, answer.get("DelegationSet", {}).get("NameServers", []))


def _ask(name: str, kind: str) -> list[Any]:
    """Records of a name, none where it has none. Raises dns.exception.DNSException without an answer."""
    try:
        return list(dns.resolver.resolve(f"{name}.", kind, lifetime=_SECONDS))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []


def _delegation(zone: str, wanted: list[str]) -> Finding:
    """Compare the name servers that the world is sent to with those of the zone."""
    name = _CHECKS[1]
    try:
        records = _ask(zone, "NS")
    except dns.exception.DNSException as error:
        return Finding(name, "not known", f"no answer about {zone}: {error}", f"Try: dig NS {zone}")
    ours = {one.rstrip(".").lower() for one in wanted}
    theirs = {str(one.target).rstrip(".").lower() for one in records}
    if theirs == ours:
        return Finding(name, "ok", f"{zone} leads to the zone's {len(ours)} name servers")
    saw = f"{zone} leads to {', '.join(sorted(theirs)) or 'no name servers'}"
    registrar = f"Where {zone} is registered, enter exactly {', '.join(sorted(ours))}"
    return Finding(name, "problem", saw, registrar)


def _certificate(subject: Subject, name: str) -> Finding:
    """Whether the certificate is issued, or at least asked for."""
    check = _CHECKS[2]
    given = subject.setting("CertificateArn")
    arn = given or next(
        (
            one
            for stack in subject.found.values()
            if stack
            for one in stacks.of_type(stacks.resources(subject.cloud, stack.id), _CERTIFICATE)
        ),
        "",
    )
    if not arn:
        env = subject.cloud.environment.name
        return Finding(check, "not needed", f"none yet: make create ENV={env} requests and validates it")
    try:
        found = subject.cloud.cached("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        correct = f"Correct CertificateArn in {subject.cloud.environment.file}; it has to be of this region."
        return Finding(check, "problem", f"{arn} is not there", correct)
    if found["Status"] == "ISSUED":
        names = found.get("SubjectAlternativeNames", [found["DomainName"]])
        if not any(_covers(one, name) for one in names):
            fix = "Give one that is for it, or leave CertificateArn out to have it made."
            return Finding(check, "problem", f"{arn} is for {', '.join(names)}, not for {name}", fix)
        return Finding(check, "ok", f"issued for {', '.join(names)}")
    return _unissued(check, found)


def _unissued(check: str, found: Any) -> Finding:
    records = [
        f"{one['ResourceRecord']['Name']} {one['ResourceRecord']['Type']} {one['ResourceRecord']['Value']}"
        for one in found.get("DomainValidationOptions", [])
        if one.get("ValidationStatus") != "SUCCESS" and "ResourceRecord" in one
    ]
    saw = f"it is {found['Status']}"
    if reason := found.get("FailureReason"):
        saw += f": {reason}"
    return Finding(check, "problem", saw, f"In DNS there has to be {', '.join(records)}" if records else "")


def _covers(pattern: str, name: str) -> bool:
    """Say whether a certificate's name, perhaps with a * for the first label, is for `name`."""
    pattern, name = pattern.lower(), name.lower()
    return pattern == name or (pattern.startswith("*.") and pattern[2:] == name.partition(".")[2])


def _caa(subject: Subject, name: str) -> Finding:
    """Whether the CAA record nearest to the name, going up, lets ACM issue; without any, everybody may."""
    check = _CHECKS[3]
    if subject.setting("CertificateArn"):
        return Finding(check, "not needed", "no certificate is requested, as CertificateArn names one")
    labels = name.split(".")
    for place in range(len(labels)):
        at = ".".join(labels[place:])
        try:
            records = _ask(at, "CAA")
        except dns.exception.DNSException as error:
            return Finding(check, "not known", f"no answer about {at}: {error}", f"Try: dig CAA {at}")
        if records:
            issuers = {_issuer(one) for one in records if one.tag == b"issue"}
            if not issuers or issuers & _ISSUERS:
                return Finding(check, "ok", f"that of {at} lets Amazon issue certificates")
            saw = f"that of {at} lets only {', '.join(sorted(filter(None, issuers))) or 'nobody'} issue"
            return Finding(check, "problem", saw, f'Add at {at}: CAA 0 issue "amazon.com"')
    return Finding(check, "ok", "there is none, so everybody may issue")


def _issuer(record: Any) -> str:
    return str(record.value.decode("ascii", "replace").partition(";")[0].strip().lower())
