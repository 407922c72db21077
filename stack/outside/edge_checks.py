"""What `test` holds every service to, whatever runs in it: readiness, TLS and the way to it, targets."""

from __future__ import annotations

import functools
import ssl
import warnings
from datetime import UTC, datetime

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.outside import web
from stack.outside.address import Address
from stack.outside.checks import Checks, brief, must

_REDIRECTS = (301, 302, 307, 308)
# A path with a query: a redirect has to keep both.
_PATH = "/hello?a=1&b=2"


def all_checks(cloud: Cloud, service: Address, stack_ids: list[str]) -> Checks:
    """Name each check and what does it. The targets of the stacks `stack_ids` are counted."""
    yield f"ready: GET {service.health_path}", functools.partial(_answers, service)
    if service.is_https:
        yield "certificate is trusted and for this name", functools.partial(_certificate, service)
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            yield f"{_in_words(version)} is spoken", functools.partial(_speaks, service, version)
        if ssl.HAS_TLSv1_1:
            yield "TLS 1.1 is refused", functools.partial(_refuses_old, service)
        yield "browsers are told to stay with HTTPS", functools.partial(_strict, service)
        if service.plain_port is not None:
            yield "HTTP redirects to HTTPS", functools.partial(_redirects, service, service.plain_port)
    groups = [
        group
        for stack in stack_ids
        for group in stacks.of_type(
            stacks.resources(cloud, stack), "AWS::ElasticLoadBalancingV2::TargetGroup"
        )
    ]
    if groups:
        yield "healthy targets", functools.partial(_targets, cloud, groups)


def _answers(service: Address) -> str:
    answer = service.get(service.health_path)
    must(answer.status == 200, brief(answer))
    return "200"


def _shake_hands(service: Address, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    connection = service.connect(context=context)
    if not isinstance(connection, ssl.SSLSocket):
        raise TypeError(f"{service.url} is not HTTPS")
    return connection


def _certificate(service: Address) -> str:
    with _shake_hands(service) as connection:
        shown = connection.getpeercert() or {}
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
    return f"until {until.date()}, {(until - datetime.now(UTC)).days} days"


def _in_words(version: ssl.TLSVersion) -> str:
    return version.name.replace("TLSv", "TLS ").replace("_", ".")


def _speaks(service: Address, version: ssl.TLSVersion) -> str:
    context = service.context
    context.minimum_version = context.maximum_version = version
    with _shake_hands(service, context) as connection:
        cipher = connection.cipher()
    return cipher[0] if cipher else _in_words(version)


def _refuses_old(service: Address) -> str:
    """Offer TLS 1.1 and nothing else: the server has to end the handshake, not we."""
    context = service.context
    # OpenSSL offers it at its lowest security level only.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        with _shake_hands(service, context):
            must(False, "TLS 1.1 is accepted")
    except (ssl.SSLError, ConnectionError) as error:
        by_us = isinstance(error, ssl.SSLError) and error.reason == "NO_PROTOCOLS_AVAILABLE"
        must(not by_us, "this machine's OpenSSL cannot offer TLS 1.1, so nothing was tested")
    return "refused"


def _strict(service: Address) -> str:
    said = service.get(service.health_path).headers.get("strict-transport-security", "")
    must("max-age=" in said, "no Strict-Transport-Security header")
    return said


def _redirects(service: Address, port: int) -> str:
    host = service.host
    answer = web.request("GET", f"http://{host}:{port}{_PATH}", at=service.at)
    location = answer.headers.get("location", "")
    must(answer.status in _REDIRECTS, f"no redirect: {brief(answer)}")
    # The port may be written though it is the usual one.
    written = location.replace(f"https://{host}:443/", f"https://{host}/")
    must(written == service.url + _PATH, f"redirects to {location}")
    return f"{answer.status}, {location}"


def _targets(cloud: Cloud, groups: list[str]) -> str:
    """Count healthy targets and their zones, as the load balancer sees them."""
    found = [
        one
        for group in groups
        for one in cloud.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    ]
    healthy = [one for one in found if one["TargetHealth"].get("State") == "healthy"]
    must(bool(healthy), f"none of {len(found)} targets is healthy")
    zones = sorted({one["Target"].get("AvailabilityZone", "") for one in healthy} - {""})
    return f"{len(healthy)} healthy targets" + (f" in {', '.join(zones)}" if zones else "")
