"""Making health checks, and reading what they say."""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any


def check(cloud: Any, **config: Any) -> str:
    """Make a health check that turns at the first observation; its id."""
    probes = config["Type"] not in ("CALCULATED", "CLOUDWATCH_METRIC")
    least = {"FailureThreshold": 1, "RequestInterval": 10} if probes else {}
    made = cloud.client("route53").create_health_check(
        CallerReference=str(uuid.uuid4()), HealthCheckConfig={**least, **config}
    )
    return str(made["HealthCheck"]["Id"])


def to(server: Any, kind: str = "HTTP", **config: Any) -> dict[str, Any]:
    return {"Type": kind, "IPAddress": "127.0.0.1", "Port": server.server_port, **config}


def status(cloud: Any, check_id: str) -> str:
    """What all regions say, "" before the first probe."""
    found = cloud.client("route53").get_health_check_status(HealthCheckId=check_id)
    said = {o["StatusReport"]["Status"] for o in found["HealthCheckObservations"]}
    assert len(said) <= 1
    return said.pop() if said else ""


def values(cloud: Any, name: str, check_id: str, **more: str) -> list[float]:
    """A metric's values, the newest last."""
    now = dt.datetime.now(dt.UTC)
    found = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Route53", MetricName=name, StartTime=now - dt.timedelta(hours=1), Period=1,
        EndTime=now + dt.timedelta(minutes=1), Statistics=["Minimum", "Maximum"],
        Dimensions=[{"Name": k, "Value": v} for k, v in {"HealthCheckId": check_id, **more}.items()],
    )["Datapoints"]  # fmt: skip
    ordered = sorted(found, key=lambda point: point["Timestamp"])
    return [value for point in ordered for value in (point["Minimum"], point["Maximum"])]


def is_published(cloud: Any, check_id: str, value: float) -> Callable[[], bool]:
    return lambda: values(cloud, "HealthCheckStatus", check_id)[-1:] == [value]
