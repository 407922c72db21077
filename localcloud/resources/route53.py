"""Route 53: health checks and record sets."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.dns import recordsets
from localcloud.health import control
from localcloud.health.settings import completed
from localcloud.resources.base import Made, Properties, Provisioner

#: What cannot be changed in a health check: a change of any of them makes another one.
_FIXED = ("Type", "MeasureLatency", "RequestInterval")


def _route53() -> Any:
    return emulator.module("services.route53")


def _create(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    config = completed(properties["HealthCheckConfig"])
    check_id = str(emulator.module("core.responses").new_uuid())
    _route53()._health_checks[check_id] = {
        "id": check_id, "caller_reference": check_id, "config": config, "version": 1,
    }  # fmt: skip
    _route53()._hc_caller_refs[check_id] = check_id
    _tag(check_id, properties)
    control.wake()
    return check_id, {"HealthCheckId": check_id}


def _update(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    before, config = completed(old["HealthCheckConfig"]), completed(new["HealthCheckConfig"])
    if any(before.get(name) != config.get(name) for name in _FIXED):
        return _create("", new, stack_name)
    record = _route53()._health_checks[physical_id]
    record["config"], record["version"] = config, record["version"] + 1
    _tag(physical_id, new)
    control.wake()
    return physical_id, {"HealthCheckId": physical_id}


def _delete(physical_id: str, properties: Properties) -> None:
    del properties
    record = _route53()._health_checks.pop(physical_id, None)
    if record is not None:
        _route53()._hc_caller_refs.pop(record["caller_reference"], None)
    _route53()._tags.pop(("healthcheck", physical_id), None)
    control.wake()


def _tag(check_id: str, properties: Properties) -> None:
    tags = properties.get("HealthCheckTags") or []
    _route53()._tags[("healthcheck", check_id)] = {tag["Key"]: tag["Value"] for tag in tags}


def _provisioners() -> Any:
    return emulator.module("services.cloudformation.provisioners")


def _check_record(properties: Properties, replaced: Properties | None = None) -> None:
    """Refuse a record set that does not fit its zone, `replaced` not being there. Raises RecordSetError."""
    build = _provisioners()._r53_record_set_build_rs
    record, zone = build(properties), _provisioners()._r53_resolve_hosted_zone_id(properties)
    gone = _route53()._rs_key(build(replaced)) if replaced else None
    others = [other for other in _route53()._records.get(zone) or [] if _route53()._rs_key(other) != gone]
    recordsets.check(record, others)


def _create_record(logical_id: str, properties: Properties, stack_name: str) -> Made:
    _check_record(properties)
    made: Made = _provisioners()._r53_record_set_create(logical_id, properties, stack_name)
    return made


def _update_record(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    _check_record(new, old)
    made: Made = _provisioners()._r53_record_set_update(physical_id, old, new, stack_name)
    return made


PROVISIONERS = {
    "AWS::Route53::HealthCheck": Provisioner(_create, _update, _delete),
    "AWS::Route53::RecordSet": Provisioner(_create_record, _update_record),
}
