"""`POST /echo`: the hot path, answered in ASGI, not Flask. No thread, no context local, no formatted log."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from app.gate import Gate, bearer
from app.http import Request, Response, other_method
from app.problems import Problem, unauthorized
from app.telemetry.metrics import Metrics

JSON = b"application/json"
COMPARE_EVERY = 16
"""One in so many echoes is read back and compared; doing so with all would cost 3 % of the rate."""

log = logging.getLogger("app.echo")
HEADERS = [(b"content-type", JSON)]


class _DuplicateMemberError(ValueError):
    pass


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateMemberError
    return members


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


# Integers are read as floats: no number in a body is used, and Python's own limit on the digits of an integer
# would turn valid JSON into an error.
_decode = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_no_constant, parse_int=float, strict=True
).decode


def parse(body: bytes) -> dict[str, Any]:
    """The members of the JSON object in `body`. Raises Problem (400 or 422) that says what is wrong."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem("invalid-utf-8", f"The body is not UTF-8 at byte {error.start}.") from None
    try:
        value = _decode(text)
    except _DuplicateMemberError:
        raise Problem("duplicate-member", "An object in the body has the same member twice.") from None
    except json.JSONDecodeError as error:
        raise Problem("invalid-json", f"{error.msg} at line {error.lineno}, column {error.colno}.") from None
    except ValueError as error:
        raise Problem("invalid-json", f"{error}.") from None
    except RecursionError:
        raise Problem("invalid-json", "The body is nested too deeply.") from None
    if type(value) is not dict:
        raise Problem("invalid-member", "The body must be a JSON object.")
    return value


def text_of(members: dict[str, Any]) -> str:
    """The member `str`. Raises Problem (422) if it is missing or not a string."""
    text = members.get("str")
    if type(text) is not str:
        what = "is missing" if "str" not in members else "must be a string"
        raise Problem("invalid-member", f"The member `str` {what}.")
    return text


def serialise(text: str) -> bytes:
    """`{"str": text}` as UTF-8 JSON, for any string: what UTF-8 cannot carry (lone surrogates) is escaped."""
    try:
        return b'{"str": %b}' % encode_basestring(text).encode("utf-8")
    except UnicodeEncodeError:
        return b'{"str": %b}' % encode_basestring_ascii(text).encode("ascii")


def require_json(headers: Mapping[bytes, bytes]) -> None:
    """Raises Problem (415) unless `headers` (lower-case names) claim an uncompressed JSON body in UTF-8."""
    if b"content-encoding" in headers and headers[b"content-encoding"].strip().lower() != b"identity":
        raise Problem(
            "unsupported-media-type", "A compressed body is not accepted.", (("Accept-Encoding", "identity"),)
        )
    declared = headers.get(b"content-type", b"")
    if declared == JSON:
        return
    media_type, _, parameters = declared.lower().partition(b";")
    accepted = (("Accept", "application/json"),)
    if media_type.strip() != JSON:
        raise Problem("unsupported-media-type", "The body must be `application/json`.", accepted)
    for parameter in parameters.split(b";"):
        name, _, value = parameter.strip().partition(b"=")
        if name.strip() == b"charset" and value.strip().strip(b'"') not in (b"utf-8", b"utf8"):
            raise Problem("unsupported-media-type", "JSON must be UTF-8.", accepted)


def compare(answer: bytes, text: str, metrics: Metrics) -> None:
    """Read an answer back as a client would and count whether it says `text`.

    Raises Problem (500) if it does not: no answer is better than a wrong one.
    """
    numbers = metrics.numbers
    numbers[metrics.compared] += 1
    try:
        equal = json.loads(answer.decode("utf-8")) == {"str": text}
    except ValueError:
        equal = False
    if not equal:
        numbers[metrics.different] += 1
        log.error("an echo of %d characters was not equal to what was sent", len(text))
        raise Problem("internal-error", "The echo was not equal to what was sent.")


async def echo(request: Request, gate: Gate) -> Response:
    """Answer one request to /echo. Raises Problem."""
    if request.method != "POST":
        return other_method(request, "POST", "OPTIONS, POST")
    token = bearer(request)
    if token is not None:
        # Before anything is said about the body; a stranger learns nothing from it but its size.
        await gate.admit(request, token)
    require_json(request.headers)
    members = parse(request.body)
    if token is None:
        token = members.get("auth")
        if token is None:
            raise unauthorized("Send `Authorization: Bearer TOKEN`, or the member `auth`.", presented=False)
        if type(token) is not str:
            raise Problem("invalid-member", "The member `auth` must be a string.")
        await gate.admit(request, token)
    text = text_of(members)
    answer = serialise(text)
    metrics = gate.metrics
    metrics.echoes += 1
    if metrics.echoes % COMPARE_EVERY == 1:
        compare(answer, text, metrics)
    return 200, HEADERS, answer
