"""Reads request bodies: each is bounded, and so is what all of one worker's take together.

A thousand connections may each have sent most of a body, without a token so far: what bounds one does not
bound the memory that they take. Unfinished WebSocket messages count, too.
"""

from __future__ import annotations

from typing import Protocol

from app.http import BODY_LIMIT, Receive, Request, connection_of
from app.problems import Problem, retry_later

# Smaller ones are never refused: as many as there can be are no burden.
_SMALL = 16 * 1024


class Holder(Protocol):
    """Something that holds so many bytes."""

    held: int


class Bodies:
    """One worker's bodies; together they may have `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    async def read(self, request: Request, receive: Receive) -> None:
        """Fill in the body; what it holds is to be given back by `let_go`, whatever happens.

        Raises Problem: 413 beyond the limit (at once, if declared), 408 if it stalls, 503 without memory.
        """
        declared = request.headers.get(b"content-length")
        if declared is None and b"transfer-encoding" not in request.headers:
            return
        if declared is not None and int(declared) > BODY_LIMIT:
            raise _too_large()
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"]:  # the usual case: one piece
            request.body = message["body"]
            if len(request.body) > BODY_LIMIT:
                raise _too_large()
            if len(request.body) > _SMALL:
                self.hold(request, len(request.body))
            return
        pieces = []
        while message["type"] == "http.request":
            pieces.append(message["body"])
            self.hold(request, len(message["body"]))
            if request.held > BODY_LIMIT:
                raise _too_large()
            if not message["more_body"]:
                request.body = b"".join(pieces)
                return
            message = await receive()
        # http.disconnect: the client is gone (then nobody reads this) or its time for the body is over.
        broken = getattr(connection_of(receive), "broken", None)
        if broken is not None:
            raise broken
        raise Problem("request-timeout", "The body did not arrive in time.")

    def hold(self, holder: Holder, size: int) -> None:
        """Count `size` more bytes (or less). Raises Problem (503) if that is more than there may be."""
        holder.held += size
        self._held += size
        if self._held > self._most and holder.held > _SMALL:
            raise retry_later("overloaded", "Too much is being received at once.", 1)

    def let_go(self, holder: Holder) -> None:
        """It holds nothing any more."""
        self._held -= holder.held
        holder.held = 0


def _too_large() -> Problem:
    return Problem("content-too-large", f"The body is larger than {BODY_LIMIT} bytes.")
