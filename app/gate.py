"""Lets requests with a good token in, for the routes that are answered in ASGI."""

from __future__ import annotations

from app.auth import Verifier
from app.http import Request
from app.limits import Limits
from app.problems import unauthorized
from app.store import TokenRecord
from app.telemetry.metrics import Metrics


def bearer(request: Request) -> str | None:
    """The token of the Authorization header, or None without one. Raises Problem (401) for other schemes."""
    value = request.headers.get(b"authorization")
    if value is None:
        return None
    scheme, _, token = value.strip().partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise unauthorized("The Authorization header must be `Bearer TOKEN`.", presented=False)
    return token.strip().decode("latin-1")


class Gate:
    """Verifies tokens and charges their limits; one for each worker."""

    def __init__(self, verifier: Verifier, limits: Limits, metrics: Metrics) -> None:
        self.verifier = verifier
        self.limits = limits
        self.metrics = metrics

    async def admit(self, request: Request, token: str) -> TokenRecord:
        """The record of a good token. Raises Problem: 401, 503 (nobody can say), 429 (quota used up)."""
        record = self.verifier.cached(token) or await self.verifier.verify(token)
        request.token_id = record.id
        self.limits.token.charge(request, record.id)
        return record

    async def admit_bearer(self, request: Request) -> TokenRecord:
        """The same, with the token of the Authorization header. Raises Problem."""
        token = bearer(request)
        if token is None:
            raise unauthorized("Send `Authorization: Bearer TOKEN`.", presented=False)
        return await self.admit(request, token)
