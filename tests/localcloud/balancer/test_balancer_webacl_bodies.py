"""What a web ACL sees of bodies."""

from __future__ import annotations

import asyncio
import json

import pytest

from localcloud.balancer.webacl import BODY_LIMIT
from tests.localcloud.balancer.balancer_harness import balanced, echo_head, run, talk
from tests.localcloud.balancer.webacl_harness import acl, group, judged, statement

JSON_BODY = {
    "JsonBody": {
        "MatchPattern": {"All": {}}, "MatchScope": "ALL", "InvalidFallbackBehavior": "EVALUATE_AS_STRING",
        "OversizeHandling": "CONTINUE",
    }
}  # fmt: skip


IN_JSON = statement("XssMatchStatement", JSON_BODY, "JS_DECODE")


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b'{"message":"hello"}', False),
        (b'{"message":"a < b and c > d"}', False),
        (b'{"message":"<script>alert(1)</script>"}', True),
        (rb'{"message":"\u003cscript\u003ealert(1)"}', True),
        (rb'{"message":"\x3cimg src=x onerror=alert(1)>"}', True),
        (b'{"<script>":1}', True),
        (b'{"deep":[{"x":["<svg onload=y>"]}]}', True),
        (b"no json, but <script>", True),
        (b"no json", False),
        (b"", False),
    ],
)
def test_scripts_in_json_also_those_written_with_escapes(body: bytes, refused: bool) -> None:
    assert (judged(acl(IN_JSON)).action, judged(acl(IN_JSON), body=body).action == "Block") == (
        "Allow",
        refused,
    )


@pytest.mark.parametrize(
    ("scope", "fallback", "body", "refused"),
    [
        ("KEY", None, b'{"a":"<script>"}', False), ("KEY", None, b'{"<script>":1}', True),
        ("VALUE", None, b'{"a":"<script>"}', True), ("VALUE", None, b'{"<script>":1}', False),
        ("ALL", "MATCH", b"{", True), ("ALL", "NO_MATCH", b"{<script>", False),
        ("ALL", None, b'{"a":"<script>", !', True), ("ALL", None, b'{"a":1, ! "<script>"', False),
    ],
)  # fmt: skip
def test_what_of_json_is_looked_at(scope: str, fallback: str | None, body: bytes, refused: bool) -> None:
    field = {"MatchPattern": {"All": {}}, "MatchScope": scope, "OversizeHandling": "CONTINUE"}
    if fallback:
        field["InvalidFallbackBehavior"] = fallback
    found = judged(acl(statement("XssMatchStatement", {"JsonBody": field})), body=body)
    assert (found.action == "Block") == refused


@pytest.mark.parametrize(("handling", "refused"), [("CONTINUE", False), ("MATCH", True), ("NO_MATCH", False)])
def test_a_body_that_is_longer_than_can_be_seen(handling: str, refused: bool) -> None:
    size = statement(
        "SizeConstraintStatement", {"Body": {"OversizeHandling": handling}}, ComparisonOperator="LT", Size=10
    )
    found = judged(acl(size), body=b"x" * BODY_LIMIT, oversize=True)
    assert (found.action == "Block") == refused


GUARDED = acl(IN_JSON)


def post(body: bytes, *fields: bytes, chunks: int = 0) -> bytes:
    length = b"Transfer-Encoding: chunked" if chunks else b"Content-Length: %d" % len(body)
    head = b"\r\n".join([b"POST / HTTP/1.1", b"Host: a", b"Connection: close", length, *fields]) + b"\r\n\r\n"
    if chunks:
        pieces = [body[start : start + chunks] for start in range(0, len(body), chunks)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return head + body


async def whole_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with the body that arrived, however it was framed."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = b""
    if b"chunked" in head:
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
    else:
        (length,) = [
            int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")
        ]
        body = await reader.readexactly(length)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize("chunks", [0, 7, 1000, 20_000])
@pytest.mark.parametrize("size", [2, 8191, 8192, 8193, 300_000])
def test_bodies_arrive_whole_however_they_were_looked_at(chunks: int, size: int) -> None:
    if chunks == 7 and size > 10_000:
        size = 20_000
    body = json.dumps("x" * (size - 2)).encode()

    async def case() -> None:
        async with balanced(whole_body, acl=GUARDED) as (port, _):
            answer = await talk(port, post(body, chunks=chunks))
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.partition(b"\r\n\r\n")[2] == body

    run(case)


@pytest.mark.parametrize("chunks", [0, 7])
def test_what_is_blocked_by_its_body_never_reaches_the_target(chunks: int) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError(await reader.read(10))

    async def case() -> None:
        async with balanced(never, acl=GUARDED) as (port, _):
            answer = await talk(port, post(b'{"m":"<script>"}', chunks=chunks))
            assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
            assert answer.endswith(b"<center><h1>403 Forbidden</h1></center>\r\n</body>\r\n</html>\r\n")
            # Not even with the rest still on its way.
            large = post(b'{"m":"<script>' + b"x" * 200_000 + b'"}', chunks=chunks and 1000)
            assert (await talk(port, large)).startswith(b"HTTP/1.1 403 ")

    run(case)


def test_behind_what_can_be_seen_a_script_passes() -> None:
    async def case() -> None:
        async with balanced(whole_body, acl=GUARDED) as (port, _):
            body = json.dumps("x" * BODY_LIMIT + "<script>").encode()
            assert (await talk(port, post(body))).startswith(b"HTTP/1.1 200 ")

    run(case)


def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    async def case() -> None:
        async with balanced(echo_head, acl=GUARDED) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head, _, body = post(b'{"m":1}', b"Expect: 100-continue").partition(b"\r\n\r\n")
            writer.write(head + b"\r\n\r\n")
            async with asyncio.timeout(60):
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                writer.write(body)
                answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 ")
            # It was answered here; the target would wait for nobody.
            assert b"expect" not in answer.lower()
            assert answer.endswith(body)
            writer.close()

    run(case)


def test_an_upgrade_is_looked_at_too() -> None:
    fields = b"Host: a\r\nUser-Agent: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    upgrade = b"GET /?q=%3Cscript%3E HTTP/1.1\r\n" + fields

    async def case() -> None:
        async with balanced(echo_head, acl=acl(group())) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(upgrade)
            async with asyncio.timeout(60):
                assert (await reader.readline()) == b"HTTP/1.1 403 Forbidden\r\n"
            writer.close()

    run(case)
