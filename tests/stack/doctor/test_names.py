"""Zone, delegation, certificate and CAA record; DNS is a real name server on loopback."""

from __future__ import annotations

from typing import Any

import dns.resolver
import pytest

from stack.doctor import names
from stack.doctor.finding import Finding
from tests.stack.doctor.conftest import one
from tests.stack.services import NOW, STACK, resources, stubbed

SERVERS = ["ns-1.awsdns-1.org", "ns-2.awsdns-2.com"]
ARN = "arn:aws:acm:us-east-1:1:certificate/c"


def hosted(private: bool = False, name: str = "example.com.") -> dict[str, Any]:
    zone = {"Id": "/hostedzone/Z1", "Name": name, "CallerReference": "r", "Config": {"PrivateZone": private}}
    return {"HostedZone": zone, **({} if private else {"DelegationSet": {"NameServers": SERVERS}})}


def look(subject: Any, answer: dict[str, Any] | None = None, **settings: str) -> list[Finding]:
    found = subject(DomainName="echo.example.com", HostedZoneId="Z1", **settings)
    with stubbed(found.cloud, "route53") as route53:
        if answer is None:
            route53.add_client_error("get_hosted_zone", "NoSuchHostedZone")
        else:
            route53.add_response("get_hosted_zone", answer, {"Id": "Z1"})
        return list(names.all_of_them(found))


def test_a_name_whose_zone_the_world_is_led_to(subject, zone):
    zone["example.com", "NS"] = [f"{server}." for server in SERVERS]
    found = look(subject, hosted())
    assert one(found, "domain and zone").saw == "echo.example.com is in the public zone example.com (Z1)"
    assert one(found, "name servers").state == "ok"
    assert one(found, "CAA record").saw == "there is none, so everybody may issue"
    certificate = one(found, "certificate")
    assert (certificate.state, "make create" in certificate.saw) == ("not needed", True)


@pytest.mark.parametrize(
    ("records", "saw"),
    [
        (["ns1.registrar.net."], "example.com leads to ns1.registrar.net"),
        ([], "example.com leads to no name servers"),
        ([f"{SERVERS[0]}."], f"example.com leads to {SERVERS[0]}"),
    ],
)
def test_a_registrar_that_names_others_is_a_problem(subject, zone, records, saw):
    zone["example.com", "NS"] = records
    found = one(look(subject, hosted()), "name servers")
    assert (found.state, found.saw) == ("problem", saw)
    assert all(server in found.next for server in SERVERS)


@pytest.mark.parametrize(
    ("answer", "saw"),
    [
        (None, "this account has no hosted zone Z1"),
        (hosted(private=True), "example.com (Z1) is a private zone"),
        (hosted(name="example.org."), "echo.example.com is not in the zone example.org (Z1)"),
        (hosted(name="cho.example.com."), "echo.example.com is not in the zone cho.example.com (Z1)"),
    ],
)
def test_a_zone_that_cannot_be_the_names(subject, zone, answer, saw):
    found = one(look(subject, answer), "domain and zone")
    assert (found.state, found.saw) == ("problem", saw)
    assert found.next


@pytest.mark.parametrize(
    ("at", "record", "state", "saw"),
    [
        ("example.com", '0 issue "amazon.com"', "ok", "that of example.com lets Amazon issue certificates"),
        ("example.com", '0 issue "amazontrust.com; x=y"', "ok", "lets Amazon issue"),
        ("example.com", '0 iodef "mailto:me@example.com"', "ok", "lets Amazon issue"),
        (
            "example.com",
            '0 issue "letsencrypt.org"',
            "problem",
            "that of example.com lets only letsencrypt.org",
        ),
        ("echo.example.com", '0 issue ";"', "problem", "that of echo.example.com lets only nobody issue"),
    ],
)
def test_a_caa_record_decides_who_may_issue(subject, zone, at, record, state, saw):
    zone[at, "CAA"] = [record]
    found = one(look(subject, hosted()), "CAA record")
    assert found.state == state
    assert saw in found.saw
    assert ('CAA 0 issue "amazon.com"' in found.next) == (state == "problem")


def test_a_resolver_that_does_not_answer_is_no_problem_of_the_name(subject, unused_port, monkeypatch):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], unused_port
    monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
    monkeypatch.setattr(names, "_SECONDS", 0.2)
    found = look(subject, hosted())
    assert [one(found, check).state for check in ("name servers", "CAA record")] == ["not known"] * 2
    assert one(found, "name servers").next == "Try: dig NS example.com"


def test_plain_http_needs_none_of_it(subject):
    assert {found.state for found in names.all_of_them(subject())} == {"not needed"}


def certificate(**more: Any) -> dict[str, Any]:
    return {"Certificate": {"CertificateArn": ARN, "DomainName": "*.example.com", "Status": "ISSUED", **more}}


PENDING = {
    "Status": "PENDING_VALIDATION",
    "DomainValidationOptions": [
        {
            "DomainName": "echo.example.com",
            "ValidationStatus": "PENDING_VALIDATION",
            "ResourceRecord": {"Name": "_a.echo.example.com.", "Type": "CNAME", "Value": "_b.acm.aws."},
        }
    ],
}


@pytest.mark.parametrize(
    ("more", "state", "saw", "next_"),
    [
        ({}, "ok", "issued for *.example.com", ""),
        ({"SubjectAlternativeNames": ["a.org", "echo.example.com"]}, "ok", "issued for a.org", ""),
        (
            {"DomainName": "*.b.example.com"},
            "problem",
            "not for echo.example.com",
            "leave CertificateArn out",
        ),
        (PENDING, "problem", "it is PENDING_VALIDATION", "_a.echo.example.com. CNAME _b.acm.aws."),
        ({"Status": "FAILED", "FailureReason": "CAA_ERROR"}, "problem", "it is FAILED: CAA_ERROR", ""),
    ],
)
def test_a_certificate_that_is_given(subject, zone, more, state, saw, next_):
    found = subject(DomainName="echo.example.com", CertificateArn=ARN)
    with stubbed(found.cloud, "acm") as acm:
        acm.add_response("describe_certificate", certificate(**more), {"CertificateArn": ARN})
        findings = list(names.all_of_them(found))
    seen = one(findings, "certificate")
    assert seen.state == state
    assert saw in seen.saw
    assert next_ in seen.next
    assert one(findings, "CAA record").state == "not needed"


def test_the_certificate_of_a_stack_that_is_being_made_is_found(subject, zone):
    found = subject(DomainName="echo.example.com", HostedZoneId="none")
    found = type(found)(found.cloud, found.templates, {"service": STACK}, "1", found.arn)
    answer = resources(("Certificate", "AWS::CertificateManager::Certificate", ARN))
    with stubbed(found.cloud, "cloudformation") as cloudformation, stubbed(found.cloud, "acm") as acm:
        cloudformation.add_response("list_stack_resources", answer)
        acm.add_response("describe_certificate", certificate(CreatedAt=NOW, **PENDING))
        assert one(names.all_of_them(found), "certificate").saw == "it is PENDING_VALIDATION"
