"""Where an environment's service answers, as its stacks tell, and how its certificate is verified."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack import web
from stack.clients import Cloud
from stack.errors import ToolError
from stack.stacks import COMPLETE, Stack

# What the echo service answers on; a stack's parameters say otherwise for another container.
_HEALTH_PATH = "/readyz"


@dataclass(frozen=True)
class Address:
    """A service's address; `plain_port` is its HTTP listener's, `ca` None for the usual authorities."""

    url: str
    health_path: str
    plain_port: int | None
    ca: Path | None

    @property
    def is_https(self) -> bool:
        """Whether clients speak HTTPS to it."""
        return self.url.startswith("https://")

    @property
    def context(self) -> ssl.SSLContext:
        """Settings that verify the service's certificate. Raises a ToolError that names the file `ca`."""
        return context(self.ca)

    def get(self, path: str, seconds: float = 15.0) -> web.Answer:
        """GET a path. Raises OSError (ssl.SSLError among them) or http.client.HTTPException."""
        return web.request(
            "GET", self.url + path, seconds=seconds, context=self.context if self.is_https else None
        )


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
            return Address(
                url=stack.outputs["Url"].rstrip("/"),
                health_path=stack.parameters.get("HealthCheckPath", _HEALTH_PATH),
                plain_port=int(port) if port.isdigit() else None,
                ca=cloud.environment.endpoint.ca if cloud.environment.endpoint else None,
            )
    return None
