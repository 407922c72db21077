"""Which record sets a hosted zone of Route 53 takes: routing policies, and what they ask for."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from localcloud import emulator

RecordSet = dict[str, Any]

#: The member that makes a record set one of a routing policy.
_POLICIES = (
    "Weight", "Region", "Failover", "GeoLocation", "MultiValueAnswer", "CidrRoutingConfig",
    "GeoProximityLocation",
)  # fmt: skip


class RecordSetError(ValueError):
    """A record set that Route 53 refuses; the message says why."""


def policy(record: RecordSet) -> str:
    """The member that says a record set's routing policy, "" for simple routing. Raises RecordSetError."""
    # A weight of 0 is one.
    found = [name for name in _POLICIES if record.get(name) or (name == "Weight" and name in record)]
    if len(found) > 1:
        raise RecordSetError(f"{_named(record)} has {' and '.join(found)}, which exclude each other")
    return found[0] if found else ""


def check(record: RecordSet, others: Sequence[RecordSet]) -> None:
    """Refuse a record set beside the others of its zone, itself not among them. Raises RecordSetError."""
    named, kind = _named(record), policy(record)
    if bool(kind) != bool(record.get("SetIdentifier")):
        missing = "SetIdentifier" if kind else "a routing policy, which SetIdentifier is for"
        raise RecordSetError(f"{named} lacks {missing}")
    _check_values(record, named)
    if kind == "Weight" and not 0 <= int(record["Weight"]) <= 255:
        raise RecordSetError(f"{named}: Weight must be from 0 to 255")
    if kind == "Failover" and record["Failover"] not in ("PRIMARY", "SECONDARY"):
        raise RecordSetError(f"{named}: Failover must be PRIMARY or SECONDARY")
    if record.get("HealthCheckId") and record["HealthCheckId"] not in _health_checks():
        raise RecordSetError(f"{named}: there is no health check {record['HealthCheckId']}")
    if record.get("Failover") == "PRIMARY" and not (record.get("AliasTarget") or record.get("HealthCheckId")):
        raise RecordSetError(f"{named}: a primary failover record that is no alias needs a HealthCheckId")
    for other in others:
        if other["Type"] == "SOA":
            _check_place(record, named, other["Name"])
        if other["Name"] == record["Name"] and (other["Type"] == "CNAME") != (record["Type"] == "CNAME"):
            raise RecordSetError(f"{named} conflicts with other records of that DNS name: a CNAME is alone")
        if (other["Name"], other["Type"]) != (record["Name"], record["Type"]):
            continue
        if policy(other) != kind:
            raise RecordSetError(
                f"{named} cannot be created as other record sets exist with the same name and type, and with "
                f"{policy(other) or 'no'} routing policy"
            )
        if kind == "Failover" and other["Failover"] == record["Failover"]:
            raise RecordSetError(f"{named}: there is a {record['Failover']} record set already")


def _check_place(record: RecordSet, named: str, zone: str) -> None:
    if record["Name"] != zone and not record["Name"].endswith(f".{zone}"):
        raise RecordSetError(f"{named} is not permitted in zone {zone}")
    if record["Name"] == zone and record["Type"] == "CNAME":
        raise RecordSetError(f"{named} is not permitted at apex in zone {zone}")


def _check_values(record: RecordSet, named: str) -> None:
    alias, values = record.get("AliasTarget"), record.get("ResourceRecords")
    if bool(alias) == bool(values):
        raise RecordSetError(f"{named} needs either AliasTarget or ResourceRecords")
    if alias and record.get("TTL") not in (None, ""):
        raise RecordSetError(f"{named}: an alias has no TTL")
    if values and record.get("TTL") in (None, ""):
        raise RecordSetError(f"{named} needs a TTL")
    for value in values or ():
        if why := _wrong(record["Type"], str(value)):
            raise RecordSetError(f"{named}: {why} encountered with '{value}'")


def _wrong(kind: str, value: str) -> str:
    if kind in ("A", "AAAA"):
        version = 4 if kind == "A" else 6
        try:
            fits = ipaddress.ip_address(value).version == version
        except ValueError:
            fits = False
        return "" if fits else f"InvalidIpAddress (Value is not a valid IPv{version} address)"
    quoted = len(value) > 1 and value.startswith('"') and value.endswith('"')
    if kind in ("TXT", "SPF") and not quoted:
        return "InvalidCharacterString (Value should be enclosed in quotation marks)"
    return ""


def _named(record: RecordSet) -> str:
    identifier = f", SetIdentifier {record['SetIdentifier']}" if record.get("SetIdentifier") else ""
    return f"RRSet with DNS name {record['Name']}, type {record['Type']}{identifier}"


def _health_checks() -> Any:
    return emulator.module("services.route53")._health_checks


def install() -> None:
    """Check the changes that ChangeResourceRecordSets asks for, before any is made."""
    route53 = emulator.module("services.route53")
    change = route53._change_resource_record_sets

    def changing(zone_id: str, body: bytes) -> Any:
        root = route53._parse_body(body)
        batch = route53._find(root, "ChangeBatch") if root is not None else None
        changes = route53._find(batch, "Changes") if batch is not None else None
        current = list(route53._records.get(zone_id) or [])
        for element in route53._findall(changes, "Change") if changes is not None else ():
            written = route53._find(element, "ResourceRecordSet")
            if written is None:
                continue
            record = route53._parse_record_set(written)
            current = [other for other in current if route53._rs_key(other) != route53._rs_key(record)]
            if route53._text(element, "Action") == "DELETE":
                continue
            try:
                check(record, current)
            except RecordSetError as exc:
                return route53._error_response("InvalidChangeBatch", f"[{exc}]")
            current.append(record)
        return change(zone_id, body)

    route53._change_resource_record_sets = changing
