"""TestDNSAnswer of Route 53, which MiniStack lacks."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, SubElement

from localcloud import emulator
from localcloud.dns.answers import NotFollowedError, Zone

_PATH = "/2013-04-01/testdnsanswer"


def install() -> None:
    """Answer for it beside everything else of Route 53."""
    route53 = emulator.module("services.route53")
    handle = route53.handle_request

    async def handling(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if (method, path) == ("GET", _PATH):
            return _tested(query)
        return await handle(method, path, headers, body, query)

    route53.handle_request = handling


def _tested(query: dict[str, Any]) -> Any:
    route53 = emulator.module("services.route53")
    zone_id, name, kind = (_first(query, key) for key in ("hostedzoneid", "recordname", "recordtype"))
    zone_id = zone_id.rpartition("/")[2]
    zone = route53._zones.get(zone_id)
    if zone is None:
        return route53._error_response("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}", 404)
    if zone.get("private"):
        return route53._error_response("InvalidInput", "TestDNSAnswer asks public hosted zones only")
    account = str(emulator.module("core.responses").get_account_id())
    try:
        answer = Zone(account, zone_id).answer(name, kind)
    except NotFollowedError as exc:
        return route53._error_response("InvalidInput", str(exc))
    servers = Zone(account, zone_id).answer(zone["name"], "NS").values

    def build(root: Element) -> None:
        SubElement(root, "Nameserver").text = servers[0].rstrip(".")
        SubElement(root, "RecordName").text = name
        SubElement(root, "RecordType").text = kind
        data = SubElement(root, "RecordData")
        for value in answer.values:
            SubElement(data, "RecordDataEntry").text = value
        SubElement(root, "ResponseCode").text = answer.code
        SubElement(root, "Protocol").text = "UDP"

    return route53._xml_response("TestDNSAnswerResponse", build)


def _first(query: dict[str, Any], key: str) -> str:
    value = query.get(key) or ""
    return str(value[0] if isinstance(value, list) else value)
