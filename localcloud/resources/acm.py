"""Certificate Manager: certificates of the throwaway authority, issued at once.

On AWS a certificate with DNS validation waits for its record. With a hosted zone given CloudFormation writes
that record itself, and so does this; without one it would wait for somebody else to, and this does not.
"""

from __future__ import annotations

from typing import Any

from localcloud import certificates, emulator
from localcloud.balancer import records
from localcloud.resources.base import Made, Properties, Provisioner


def _cfn() -> Any:
    return emulator.module("services.cloudformation.provisioners")


def _create(logical_id: str, properties: Properties, stack_name: str) -> Made:
    zones = {
        option["DomainName"]: option["HostedZoneId"]
        for option in properties.get("DomainValidationOptions") or []
        if option.get("HostedZoneId")
    }
    route53 = emulator.module("services.route53")
    for zone in zones.values():
        if zone not in route53._zones:
            raise ValueError(f"The specified hosted zone does not exist: {zone}")
    arn, attributes = _cfn()._acm_certificate_create(logical_id, properties, stack_name)
    try:
        certificates.issue(arn)
    except Exception:
        _cfn()._acm_certificate_delete(arn, properties)
        raise
    for option in emulator.module("services.acm")._certificates[arn]["DomainValidationOptions"]:
        if option["DomainName"] in zones:
            _write_record(zones[option["DomainName"]], option["ResourceRecord"])
    return arn, attributes


def _write_record(zone: str, record: dict[str, str]) -> None:
    """As on AWS the record stays when the certificate goes: another one may be validated by it."""
    route53 = emulator.module("services.route53")
    kept = [r for r in route53._records.get(zone, []) if (r["Name"], r["Type"]) != (record["Name"], "CNAME")]
    value = {"Name": record["Name"], "Type": "CNAME", "TTL": "300", "ResourceRecords": [record["Value"]]}
    route53._records[zone] = [*kept, value]


def _delete(physical_id: str, properties: Properties) -> None:
    users = [
        listener["LoadBalancerArn"]
        for listener in records.alb()._listeners.values()
        if physical_id in [*listener.get("Certificates", []), *listener.get("AdditionalCertificates", [])]
    ]
    if users:
        raise ValueError(f"Certificate {physical_id} is in use by {', '.join(users)}")
    _cfn()._acm_certificate_delete(physical_id, properties)
    certificates.forget(physical_id)


PROVISIONERS = {"AWS::CertificateManager::Certificate": Provisioner(_create, None, _delete, tagged=True)}
