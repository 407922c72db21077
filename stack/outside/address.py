"""Where an environment's service answers, as its stacks tell, and how its certificate is verified."""

from __future__ import annotations

import functools
import http.client
import ipaddress
import shlex
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import COMPLETE, Stack
from stack.errors import ToolError
from stack.outside import web

# What the echo service answers on; a stack's parameters say otherwise for another container.
_HEALTH_PATH = "/readyz"


@dataclass(frozen=True)
class Address:
    """A service's address.

    `plain_port` is its HTTP listener's, `ca` None for the usual authorities, `at` the host to connect to
    where the URL's name is in no DNS, else "".
    """

    url: str
    health_path: str
    plain_port: int | None
    ca: Path | None
    at: str

    @property
    def is_https(self) -> bool:
        """Whether clients speak HTTPS to it."""
        return self.url.startswith("https://")

    @property
    def context(self) -> ssl.SSLContext:
        """Settings that verify the service's certificate. Raises a ToolError that names the file `ca`."""
        return context(self.ca)

    @property
    def host(self) -> str:
        """The URL's host, without a port."""
        return urlsplit(self.url).hostname or ""

    @property
    def curl_options(self) -> str:
        """What curl needs to reach and verify it, to be put behind `curl`; with a space before it."""
        found = f" --cacert {shlex.quote(str(self.ca))}" if self.ca and self.is_https else ""
        if self.at:
            port = urlsplit(self.url).port or (443 if self.is_https else 80)
            found += f" --resolve {self.host}:{port}:{self.at}"
        return found

    # Reading the authorities takes longer than most requests.
    @functools.cached_property
    def _shared_context(self) -> ssl.SSLContext | None:
        return self.context if self.is_https else None

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 15.0,
    ) -> web.Answer:
        """Send one request on a connection of its own, as web.request does.

        Raises OSError (ssl.SSLError among them) or http.client.HTTPException; a ToolError as `context` does.
        """
        return web.request(
            method, self.url + path, body, headers, seconds, context=self._shared_context, at=self.at
        )

    def get(self, path: str, seconds: float = 15.0) -> web.Answer:
        """GET a path, as `request` does."""
        return self.request("GET", path, seconds=seconds)

    def connect(self, seconds: float = 15.0, context: ssl.SSLContext | None = None) -> socket.socket:
        """Connect to it, by other TLS settings than the usual ones where `context` has them."""
        return web.connect(self.url, seconds, context or self._shared_context, self.at)

    def connection(self, seconds: float = 15.0) -> http.client.HTTPConnection:
        """Connect to it for several requests, or one that is sent in pieces. It never connects again."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=seconds)
        connection.auto_open = 0
        connection.sock = self.connect(seconds)
        return connection


def context(ca: Path | None) -> ssl.SSLContext:
    """Verify certificates by the system's authorities, or by the one in the file `ca` alone."""
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ToolError(
            f"{ca} cannot be used to verify the service's certificate: {error}",
            "[endpoint] ca of the environment file has to name the authority's certificate, a PEM file.",
        ) from error


def find(cloud: Cloud, found: Mapping[str, Stack | None]) -> Address | None:
    """Find the stack with the output Url among the complete ones; None where there is none."""
    for stack in found.values():
        if stack and stack.status in COMPLETE and stack.outputs.get("Url"):
            port = stack.parameters.get("HttpPort", "")
            url = stack.outputs["Url"].rstrip("/")
            return Address(
                url=url,
                health_path=stack.parameters.get("HealthCheckPath", _HEALTH_PATH),
                plain_port=int(port) if port.isdigit() else None,
                ca=cloud.environment.endpoint.ca if cloud.environment.endpoint else None,
                at=_endpoints_host(cloud, stack, url),
            )
    return None


def _endpoints_host(cloud: Cloud, stack: Stack, url: str) -> str:
    """Where an endpoint of our own has the balancer, as a name that its zone holds is in no DNS; else ""."""
    if cloud.environment.endpoint is None:
        return ""
    try:
        ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        there = stacks.resources(cloud, stack.id)
        balancers = stacks.of_type(there, "AWS::ElasticLoadBalancingV2::LoadBalancer")
        if not balancers:
            return urlsplit(cloud.url).hostname or ""
        described = cloud.of(stack.id).elbv2.describe_load_balancers(LoadBalancerArns=balancers[:1])
        return described["LoadBalancers"][0]["DNSName"]
    return ""
