"""Route 53's API for health checks, where MiniStack's keeps records only."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from localcloud import emulator
from localcloud.endpoint import LOOPBACK
from localcloud.health.history import HISTORY, Record, healthy
from localcloud.health.settings import ENDPOINTS, REGIONS, InvalidConfigError, completed

_OBSERVED = re.compile(r"/2013-04-01/healthcheck/([^/]+)/(status|lastfailurereason)")


def install(changed: Callable[[], None]) -> None:
    """Check configurations, and answer what was observed; `changed` is called after every change."""
    route53 = emulator.module("services.route53")
    create, update, delete = (
        route53._create_health_check, route53._update_health_check, route53._delete_health_check
    )  # fmt: skip
    parse, build, handle = (
        route53._parse_health_check_config, route53._build_health_check_el, route53.handle_request
    )  # fmt: skip

    def parsing(element: Element) -> Record:
        config: Record = parse(element)
        # MiniStack reads the members of both lists as empty.
        for name in ("ChildHealthChecks", "Regions"):
            if (members := route53._find(element, name)) is not None:
                config[name] = [member.text or "" for member in members]
        # The same function reads the configuration of a new check and the changes of an update.
        return completed(config) if element.tag.endswith("HealthCheckConfig") else config

    def building(parent: Element, record: Record) -> None:
        words = {key: str(value).lower() if isinstance(value, bool) else value
                 for key, value in record["config"].items()}  # fmt: skip
        build(parent, {**record, "config": words})

    def creating(body: bytes) -> Any:
        try:
            if _taken(body):
                return route53._error_response(
                    "HealthCheckAlreadyExists", "another health check was made with this CallerReference", 409
                )
            return create(body)
        except InvalidConfigError as exc:
            return route53._error_response("InvalidInput", str(exc))
        finally:
            changed()

    def updating(check_id: str, body: bytes) -> Any:
        record, request = route53._health_checks.get(check_id), route53._parse_body(body)
        if record is None or request is None:
            return update(check_id, body)
        version = route53._text(request, "HealthCheckVersion")
        if version and int(version) != record["version"]:
            return route53._error_response(
                "HealthCheckVersionMismatch", f"the health check has version {record['version']}", 409
            )
        before = copy.deepcopy(record)
        answer = update(check_id, body)
        reset = route53._find(request, "ResetElements")
        for name in [] if reset is None else route53._findall(reset, "ResettableElementName"):
            record["config"].pop(name.text, None)
        try:
            record["config"] = completed(record["config"])
        except InvalidConfigError as exc:
            record.update(before)
            return route53._error_response("InvalidInput", str(exc))
        changed()
        return answer

    def deleting(check_id: str) -> Any:
        answer = delete(check_id)
        changed()
        return answer

    async def handling(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if method == "GET" and (asked := _OBSERVED.fullmatch(path)):
            return _observed(asked[1], asked[2])
        return await handle(method, path, headers, body, query)

    route53._parse_health_check_config, route53._build_health_check_el = parsing, building
    route53._create_health_check, route53._update_health_check = creating, updating
    route53._delete_health_check, route53.handle_request = deleting, handling


def _taken(body: bytes) -> bool:
    """Whether a request's reference belongs to a health check with other settings."""
    route53 = emulator.module("services.route53")
    request = route53._parse_body(body)
    made = None if request is None else route53._hc_caller_refs.get(route53._text(request, "CallerReference"))
    config = None if made is None else route53._find(request, "HealthCheckConfig")
    if made is None or config is None:
        return False
    return bool(route53._parse_health_check_config(config) != route53._health_checks[made]["config"])


def _observed(check_id: str, what: str) -> Any:
    """GetHealthCheckStatus and GetHealthCheckLastFailureReason: every region says what the one probe saw."""
    route53 = emulator.module("services.route53")
    record = route53._health_checks.get(check_id)
    if record is None:
        return route53._error_response(
            "NoSuchHealthCheck", f"No health check exists with the specified ID {check_id}.", 404
        )
    config, seen = record["config"], HISTORY.of(check_id)
    if config["Type"] not in ENDPOINTS:
        account = str(emulator.module("core.responses").get_account_id())
        good = healthy(account, check_id)
        text = f"{'Success' if good else 'Failure'}: the {config['Type']} health check is " + (
            "healthy." if good else "unhealthy."
        )
        at, regions = str(emulator.module("core.responses").now_iso()), ["us-east-1"]
    else:
        text, at = (seen.text, seen.checked) if what == "status" else (seen.failure, seen.failed)
        regions = list(config.get("Regions") or REGIONS)
    if what == "lastfailurereason" and not text.startswith("Failure"):
        regions = []

    def build(root: Element) -> None:
        observations = SubElement(root, "HealthCheckObservations")
        for region in regions if text else []:
            observation = SubElement(observations, "HealthCheckObservation")
            SubElement(observation, "Region").text = region
            SubElement(observation, "IPAddress").text = LOOPBACK
            report = SubElement(observation, "StatusReport")
            SubElement(report, "Status").text = text
            SubElement(report, "CheckedTime").text = at

    name = "GetHealthCheckStatusResponse" if what == "status" else "GetHealthCheckLastFailureReasonResponse"
    return route53._xml_response(name, build)
