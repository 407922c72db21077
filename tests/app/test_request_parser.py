"""Requests as RFC 9112 has them, in whatever pieces they come; and nothing that could be read in two ways."""

from __future__ import annotations

import contextlib
import random

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connection.parser import HEADER_LIMIT, LINE_LIMIT, Head, ParseError, RequestParser

GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Heard:
    """What a parser has said."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.pieces: list[bytes] = []
        self.completed = 0
        self.parser = RequestParser("http", self.heads.append, self.pieces.append, self._complete)

    def _complete(self) -> None:
        self.completed += 1

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def heard(*pieces: bytes) -> Heard:
    """One request, whole."""
    found = Heard()
    for piece in pieces:
        found.parser.feed(piece)
    assert (len(found.heads), found.completed) == (1, 1)
    return found


def feed_slowly(parser: RequestParser, request_: bytes, size: int) -> None:
    for start in range(0, len(request_), size):
        parser.feed(request_[start : start + size])


@pytest.mark.parametrize(
    "request_",
    [
        GET + b"\r\n",
        b"\r\n" + GET + b"X-A:b\r\nX-B: \t c \t\r\nX-C:\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Type: a\r\n\r\nhello",
        CHUNKED + b"5;a=b\r\nhello\r\n000a\r\n0123456789\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nx\r\n0;last\r\nX-Check: y\r\nHost: z\r\n\r\n",
        CHUNKED + b"0\r\n\r\n",
    ],
)
def test_where_it_is_cut_does_not_matter(request_: bytes) -> None:
    behind = b"GET /next"
    whole = heard(request_ + behind)
    assert whole.parser.remaining() == behind
    fields = whole.heads[0].headers_bytes
    for cut in range(len(request_)):
        parts = heard(request_[:cut], request_[cut:])
        assert parts.body == whole.body
        assert parts.heads[0].headers_bytes == fields
        assert parts.parser.remaining() == b""
    assert heard(*[bytes([byte]) for byte in request_]).body == whole.body


def test_one_after_another() -> None:
    found = Heard()
    second = CHUNKED + b"1\r\nx\r\n0\r\n\r\n"
    found.parser.feed(GET + b"\r\n" + second[:30])
    assert (len(found.heads), found.completed, found.parser.waiting) == (1, 1, 30)
    found.parser.feed(second[30:] + b"POST")
    assert (len(found.heads), found.body) == (1, b""), "it waits"
    found.parser.go_on()
    found.parser.feed(b"")
    assert ([head.method for head in found.heads], found.completed) == (["GET", "POST"], 2)
    assert (found.body, found.parser.remaining()) == (b"x", b"POST")


def test_a_head_has_what_was_sent() -> None:
    (head,) = heard(
        b"PUT /a%20b/%E2%98%83?q=%20&r HTTP/1.1\r\nhost: x:80\r\nX-Two: 1\r\nx-two: 2\r\n"
        b"Expect: 100-Continue\r\nConnection: x, Close\r\nX-None:\r\nX-Latin: \xe9\r\n\r\n"
    ).heads
    assert (head.method, head.path, head.raw_path) == ("PUT", "/a b/☃", b"/a%20b/%E2%98%83")
    assert (head.query, head.version, head.scheme) == ("q=%20&r", (1, 1), "http")
    assert head.headers_bytes == [
        (b"host", b"x:80"), (b"x-two", b"1"), (b"x-two", b"2"), (b"expect", b"100-Continue"),
        (b"connection", b"x, Close"), (b"x-none", b""), (b"x-latin", b"\xe9"),
    ]  # fmt: skip
    assert head.expects_continue
    assert head.should_close()


@pytest.mark.parametrize(
    ("line", "path", "query", "host"),
    [
        (b"GET http://y/a?b HTTP/1.1", "/a", "b", b"y"),
        (b"GET HTTPS://y:80?b HTTP/1.1", "/", "b", b"y:80"),
        (b"GET http://y HTTP/1.1", "/", "", b"y"),
        (b"GET //y/a HTTP/1.1", "//y/a", "", b"x"),
        (b"OPTIONS * HTTP/1.1", "*", "", b"x"),
        (b"CONNECT y:443 HTTP/1.1", "y:443", "", b"x"),
        (b"GET /a?b?c HTTP/1.0", "/a", "b?c", b"x"),
    ],
)
def test_forms_of_the_target(line: bytes, path: str, query: str, host: bytes) -> None:
    (head,) = heard(line + b"\r\nHost: x\r\n\r\n").heads
    assert (head.path, head.query, dict(head.headers_bytes)[b"host"]) == (path, query, host)


@pytest.mark.parametrize(
    ("fields", "closes"),
    [
        (b"", False), (b"Connection: keep-alive\r\n", False), (b"Connection: close\r\n", True),
        (b"Connection: a,CLOSE ,b\r\n", True), (b"Connection: closed\r\n", False),
        (b"Connection: close\r\nConnection: keep-alive\r\n", True),
    ],
)  # fmt: skip
def test_whether_the_connection_stays(fields: bytes, closes: bool) -> None:
    assert heard(GET + fields + b"\r\n").heads[0].should_close() is closes
    assert heard(b"GET / HTTP/1.0\r\n" + fields + b"\r\n").heads[0].should_close()


@pytest.mark.parametrize(
    "request_",
    [
        # Lines and fields.
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a\nb HTTP/1.1\r\nHost: x\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        GET + b"X-A: y\n",
        b"GET /\r\n\r\n",
        b"GET y HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET ftp://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://a@y/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        GET + b"X-A\r\n\r\n",
        GET + b": y\r\n\r\n",
        GET + b"X-A : y\r\n\r\n",
        GET + b" X-A: y\r\n\r\n",
        GET + b"X-A: y\r\n z\r\n\r\n",
        GET + b"X-A: y\x00\r\n\r\n",
        GET + b"X-A: y\rz\r\n\r\n",
        GET + b"X-A: y\nX-B: z\r\n\r\n",
        GET + b"X-\xc3: y\r\n\r\n",
        GET + b"\x0bX-A: y\r\n\r\n",
        # `Host`.
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://y/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a@x\r\n\r\n",
        GET + b"host: x\r\n\r\n",
        # Where the body ends.
        POST + b"Content-Length: +1\r\n\r\nx",
        POST + b"Content-Length: -1\r\n\r\nx",
        POST + b"Content-Length: 1_0\r\n\r\n0123456789",
        POST + b"Content-Length: 0x1\r\n\r\nx",
        POST + b"Content-Length: 1, 1\r\n\r\nx",
        POST + b"Content-Length:\r\n\r\nx",
        POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding:\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Type: a\r\nContent-Type: b\r\n\r\n",
        # Chunks.
        CHUNKED + b"3\r\nabcXX0\r\n\r\n",
        CHUNKED + b"3\r\nabc0\r\n\r\n",
        CHUNKED + b"3\nabc\n0\n\n",
        CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"-1\r\n\r\n",
        CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"123456789\r\n",
        CHUNKED + b"3;\x00\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3;" + b"a" * 300,
        CHUNKED + b"0\r\nno field\r\n\r\n",
        CHUNKED + b"0\r\nX : y\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(request_: bytes) -> None:
    found = Heard()
    with pytest.raises(ParseError) as refused:
        found.parser.feed(request_)
    assert refused.value.status == 400
    assert found.completed == 0
    with pytest.raises(ParseError):
        feed_slowly(Heard().parser, request_, 1)


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (414, b"GET /%b" % (b"x" * LINE_LIMIT)),
        (414, b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * LINE_LIMIT)),
        (431, GET + b"X-A: %b\r\n\r\n" % (b"x" * LINE_LIMIT)),
        (431, GET + b"X-A: %b" % (b"x" * HEADER_LIMIT)),
        (431, GET + b"X-A: %b\r\n" % (b"x" * 8000) * 9),
        (431, GET + b"X-A: y\r\n" * 200 + b"\r\n"),
        (431, CHUNKED + b"0\r\n" + b"X-A: y\r\n" * 2000),
        (413, POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"),
    ],
)
def test_what_is_too_large_is_not_kept(status: int, request_: bytes) -> None:
    parser = Heard().parser
    with pytest.raises(ParseError) as refused:
        feed_slowly(parser, request_, 1000)
    assert len(parser.remaining()) <= HEADER_LIMIT + 1000
    assert refused.value.status == status


def test_many_small_chunks_are_one_piece() -> None:
    """Or each of them would cost what a large one does."""
    found = heard(CHUNKED + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n")
    assert found.pieces == [b"x" * 10_000]


_NAMES = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=12).filter(
    lambda name: name.lower() not in ("host", "content-length", "transfer-encoding", "connection", "expect")
)
_VALUES = st.binary(max_size=20).map(lambda raw: bytes(b for b in raw if b in b"\t" or 32 <= b != 127))


@given(
    fields=st.lists(st.tuples(_NAMES, _VALUES), max_size=6),
    body=st.binary(max_size=200),
    chunked=st.booleans(),
    seed=st.integers(0, 1 << 30),
)
def test_what_another_library_writes_is_read_as_it_was_meant(
    fields: list[tuple[str, bytes]], body: bytes, chunked: bool, seed: int
) -> None:
    framing = ("transfer-encoding", "chunked") if chunked else ("content-length", str(len(body)))
    headers = [("host", "x"), framing, *((name, value.strip(b" \t")) for name, value in fields)]
    client = h11.Connection(h11.CLIENT)
    dice = random.Random(seed)
    sent = client.send(h11.Request(method="POST", target="/a", headers=headers)) or b""
    at = 0
    while at < len(body):
        size = dice.randint(1, 50) if chunked else len(body)
        sent += client.send(h11.Data(body[at : at + size])) or b""
        at += size
    sent += client.send(h11.EndOfMessage()) or b""
    cuts = sorted(dice.sample(range(len(sent)), 3))
    found = heard(*[sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)])
    assert found.body == body
    assert [value for name, value in found.heads[0].headers_bytes[2:]] == [value for _, value in headers[2:]]


@given(st.binary(max_size=300), st.sampled_from([b"", GET, POST, CHUNKED]))
def test_garbage_is_refused_or_waited_out(garbage: bytes, start: bytes) -> None:
    with contextlib.suppress(ParseError):
        Heard().parser.feed(start + garbage)
