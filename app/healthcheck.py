"""Is the server on this machine alive? For container health checks: the image has no curl."""

from __future__ import annotations

import http.client

from app.settings import Settings

# The wildcard addresses are for listening only.
_REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asks, binds nothing


def check(settings: Settings, timeout: float = 3.0) -> str | None:
    """Why the server is not healthy, or None if it is; waits `timeout` seconds at most for each step."""
    host = _REACHABLE.get(settings.host, settings.host)
    scheme = "http" if settings.tls == "off" else "https"
    url = f"{scheme}://{host}:{settings.port}/healthz"
    connection = http.client.HTTPConnection(host, settings.port, timeout=timeout)
    if scheme == "https":
        connection = _connection_over_tls(host, settings.port, timeout)
    try:
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if status == 200 else f"{url} answered {status}"


def _connection_over_tls(host: str, port: int, timeout: float) -> http.client.HTTPSConnection:
    import ssl

    # Whether it is alive is the question, not who it is: it is on this machine, and may have any certificate.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
