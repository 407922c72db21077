"""Ports for servers that a test starts."""

import random
import socket


def free_port() -> int:
    """A port of loopback that nobody listens on, below those that the system gives to outgoing connections.

    One of these could be taken by any client between this answer and the server's start.
    """
    while True:
        port = random.randrange(10_240, 32_768)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
