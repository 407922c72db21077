"""The address of the local cloud: which endpoints it can have, and who answers at one."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:4566"

#: Who is answering, as JSON; `up`, `status` and `down` ask here. Not an AWS path.
IDENTITY_PATH = "/_localcloud"

#: What runs there, as JSON (`inventory.taken`); `status` asks here.
INVENTORY_PATH = f"{IDENTITY_PATH}/inventory"

#: Lets something fail, by a POST of {"zone" or "region": its name, "seconds"}, or {"seconds"} for DynamoDB;
#: answers {"tasks"}, the ARNs of those that ended.
OUTAGE_PATH = f"{IDENTITY_PATH}/outage"

LOOPBACK = "127.0.0.1"


class EndpointError(ValueError):
    """An endpoint that the local cloud cannot have."""


@dataclass(frozen=True)
class Endpoint:
    """An address on loopback, `http://127.0.0.1:<port>`."""

    port: int

    @property
    def url(self) -> str:
        """The gateway's URL, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Read `http://127.0.0.1:4566`; `localhost` counts as 127.0.0.1.

        Raises EndpointError for anything that is not plain HTTP on IPv4 loopback.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError as exc:
            raise EndpointError(f"endpoint {url!r}: {exc}") from exc
        if parts.scheme != "http" or parts.hostname not in (LOOPBACK, "localhost"):
            raise EndpointError(
                f"endpoint {url!r} is not the local cloud's: it listens on loopback only, over plain HTTP. "
                f"Use an address like {DEFAULT_URL}."
            )
        if parts.path not in ("", "/") or parts.query or parts.username:
            raise EndpointError(f"endpoint {url!r}: give only the address, like {DEFAULT_URL}.")
        if port is None or port == 0:
            raise EndpointError(f"endpoint {url!r} names no port. Use an address like {DEFAULT_URL}.")
        return cls(port)


def identity(endpoint: Endpoint, timeout: float = 2.0) -> dict[str, Any] | None:
    """What the local cloud at `endpoint` says of itself.

    None when nothing accepts connections there, `{}` when something else does.
    """
    connection = http.client.HTTPConnection(LOOPBACK, endpoint.port, timeout=timeout)
    try:
        connection.request("GET", IDENTITY_PATH)
        response = connection.getresponse()
        body = response.read(65536)
        if response.status != http.client.OK:
            return {}
        answer = json.loads(body)
        return answer if isinstance(answer, dict) and answer.get("name") == "localcloud" else {}
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException, ValueError):
        return {} if occupied(endpoint) else None
    finally:
        connection.close()


def inventory(endpoint: Endpoint, timeout: float = 10.0) -> dict[str, Any]:
    """What runs in the local cloud at `endpoint`, which must be one; OSError when it does not tell."""
    return _asked(endpoint, "GET", INVENTORY_PATH, None, timeout)


def outage(endpoint: Endpoint, seconds: float, what: dict[str, str], timeout: float = 30.0) -> list[str]:
    """Let a zone or a region of the local cloud fail, or DynamoDB; the ARNs of the tasks that this ended.

    `what` is {"zone": its name}, {"region": its name}, or empty for DynamoDB.

    Raises ValueError for what is not there, OSError when it cannot be done.
    """
    answer = _asked(endpoint, "POST", OUTAGE_PATH, {**what, "seconds": seconds}, timeout)
    if "message" in answer:
        raise ValueError(answer["message"])
    tasks: list[str] = answer["tasks"]
    return tasks


def _asked(endpoint: Endpoint, method: str, path: str, body: Any, timeout: float) -> dict[str, Any]:
    connection = http.client.HTTPConnection(LOOPBACK, endpoint.port, timeout=timeout)
    try:
        connection.request(method, path, json.dumps(body).encode() if body is not None else None)
        response = connection.getresponse()
        answer = response.read()
        if response.status not in (http.client.OK, http.client.BAD_REQUEST):
            raise OSError(f"{endpoint.url}{path} answers {response.status} {response.reason}")
        found: dict[str, Any] = json.loads(answer)
        return found
    except (http.client.HTTPException, json.JSONDecodeError) as exc:
        raise OSError(f"{endpoint.url}{path} does not answer as it should: {exc}") from exc
    finally:
        connection.close()


def occupied(endpoint: Endpoint) -> bool:
    """Whether some program holds the port, tried the way the server itself would bind it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, endpoint.port))
        except PermissionError:
            return False
        except OSError:
            return True
        return False
