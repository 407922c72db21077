"""The listeners' own sockets on loopback."""

from __future__ import annotations

import socket

#: Connections that wait to be accepted.
BACKLOG = 1024


class PortTakenError(ValueError):
    """The listener's port cannot be listened on; the message names it and what to change."""


def bind(address: str, port: int) -> socket.socket:
    """A listening socket on a loopback address. Raises PortTakenError."""
    # With the protocol named: asyncio turns Nagle's algorithm off only on sockets that say TCP.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
        bound.listen(BACKLOG)
    except OSError as exc:
        bound.close()
        why = (
            "needs more rights than this user has"
            if isinstance(exc, PermissionError)
            else "is already in use"
        )
        raise PortTakenError(
            f"The listener cannot use port {port} of {address}: it {why}. Free the port, or set HttpPort "
            f"(for an HTTPS listener: HttpsPort) to another one in the environment file "
            f"(cloudformation/environments/local.toml)."
        ) from exc
    bound.setblocking(False)
    return bound
