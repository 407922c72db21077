"""What a health check's configuration may say, and what it means where it says nothing."""

from __future__ import annotations

from typing import Any

from localcloud import speed

Config = dict[str, Any]

#: Where AWS's health checkers are; a check without `Regions` has all of them.
REGIONS = (
    "us-east-1", "us-west-1", "us-west-2", "eu-west-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1",
    "sa-east-1",
)  # fmt: skip

#: Types that probe an endpoint, and the port they have when none is named.
ENDPOINTS: dict[str, int | None] = {
    "HTTP": 80, "HTTP_STR_MATCH": 80, "HTTPS": 443, "HTTPS_STR_MATCH": 443, "TCP": None,
}  # fmt: skip

_WITHOUT_DATA = ("Healthy", "Unhealthy", "LastKnownStatus")

#: However fast waiting times pass, nobody is asked more often.
_LEAST_SECONDS = 0.1


class InvalidConfigError(ValueError):
    """A configuration that Route 53 refuses, or the local cloud cannot honour; the message says why."""


def completed(config: Config) -> Config:
    """The configuration with Route 53's defaults. Raises InvalidConfigError."""
    kind = config.get("Type")
    if kind in ENDPOINTS:
        return _endpoint(str(kind), config)
    if kind == "CALCULATED":
        if "HealthThreshold" not in config or not 0 <= int(config["HealthThreshold"]) <= 256:
            raise InvalidConfigError("HealthThreshold of a CALCULATED health check must be from 0 to 256")
        return {"Inverted": False, "Disabled": False, "ChildHealthChecks": [], **config}
    if kind == "CLOUDWATCH_METRIC":
        alarm = config.get("AlarmIdentifier") or {}
        if not alarm.get("Name") or not alarm.get("Region"):
            raise InvalidConfigError("AlarmIdentifier needs the Name and the Region of an alarm")
        found = {
            "Inverted": False,
            "Disabled": False,
            "InsufficientDataHealthStatus": "LastKnownStatus",
            **config,
        }
        if found["InsufficientDataHealthStatus"] not in _WITHOUT_DATA:
            raise InvalidConfigError(
                f"InsufficientDataHealthStatus must be one of {', '.join(_WITHOUT_DATA)}"
            )
        return found
    if kind == "RECOVERY_CONTROL":
        raise InvalidConfigError("the local cloud has no routing controls, which RECOVERY_CONTROL watches")
    raise InvalidConfigError(f"there is no health check of Type {kind}")


def _endpoint(kind: str, config: Config) -> Config:
    found = {
        "RequestInterval": 30, "FailureThreshold": 3, "MeasureLatency": False, "Inverted": False,
        "Disabled": False, "EnableSNI": kind.startswith("HTTPS"), **config,
    }  # fmt: skip
    if ENDPOINTS[kind] is not None:
        found = {"Port": ENDPOINTS[kind], "ResourcePath": "/", **found}
    if not found.get("IPAddress") and not found.get("FullyQualifiedDomainName"):
        raise InvalidConfigError("IPAddress or FullyQualifiedDomainName is needed")
    if not 1 <= int(found.get("Port", 0)) <= 65535:
        raise InvalidConfigError("Port must be from 1 to 65535")
    if found["RequestInterval"] not in (10, 30):
        raise InvalidConfigError("RequestInterval must be 10 or 30")
    if not 1 <= int(found["FailureThreshold"]) <= 10:
        raise InvalidConfigError("FailureThreshold must be from 1 to 10")
    searches = kind.endswith("_STR_MATCH")
    if searches and not found.get("SearchString"):
        raise InvalidConfigError(f"{kind} needs a SearchString")
    if not searches and found.get("SearchString"):
        raise InvalidConfigError(f"SearchString belongs to HTTP_STR_MATCH and HTTPS_STR_MATCH, not to {kind}")
    if len(str(found.get("SearchString", ""))) > 255:
        raise InvalidConfigError("SearchString must have 255 characters at most")
    chosen = found.get("Regions")
    if chosen and (len(set(chosen)) < 3 or set(chosen) - set(REGIONS)):
        raise InvalidConfigError(f"Regions must be three at least of {', '.join(REGIONS)}")
    return found


def interval(config: Config) -> float:
    """Seconds of this local cloud from one probe to the next."""
    return max(_LEAST_SECONDS, speed.minutes(int(config["RequestInterval"]) / 60))


def minute() -> float:
    """A minute's seconds of this local cloud: how often metrics are published."""
    return max(_LEAST_SECONDS, speed.minutes(1))
