"""Any JSON string comes back equal: through the functions, and some through the socket."""

from __future__ import annotations

import json

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.echo import parse, serialise, text_of
from app.http import BODY_LIMIT
from tests.app.servers import Server

# All of Unicode with the surrogates, which JSON can carry and UTF-8 cannot.
strings = st.text(st.characters(exclude_categories=())) | st.text(
    '\x00\ud800\udc00"\\\u2028/<\x7f', min_size=1
)
written = st.booleans()  # with or without escapes beyond ASCII


def body_of(text: str, *, escaped: bool) -> bytes:
    """A JSON body with the string; what UTF-8 cannot carry is always escaped."""
    if not escaped:
        try:
            return json.dumps({"str": text}, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            pass
    return json.dumps({"str": text}).encode()


@given(strings, written)
@example("", True)
@example("\ud800", False)
@example("\udc00\ud800", False)
@example("\U0001f600" * 100, False)
@settings(max_examples=500, deadline=None)
def test_functions_return_every_string(text: str, escaped: bool) -> None:
    body = body_of(text, escaped=escaped)
    answer = serialise(text_of(parse(body)))
    # What the body says, by another reader: two escaped halves of a surrogate pair are one character.
    assert json.loads(answer.decode("utf-8")) == json.loads(body)


@given(
    st.dictionaries(
        st.text().filter(lambda name: name not in ("str", "auth")),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists),
        max_size=5,
    )
)
@settings(max_examples=100, deadline=None)
def test_other_members_are_ignored(others: dict[str, object]) -> None:
    assert text_of(parse(json.dumps({**others, "str": "x"}).encode())) == "x"


def test_a_huge_number_is_valid_json() -> None:
    assert text_of(parse(b'{"str": "x", "n": ' + b"9" * 10_000 + b"}")) == "x"


@pytest.fixture(scope="module")
def session(server: Server) -> tuple[requests.Session, str]:
    """A keep-alive connection and a token."""
    return requests.Session(), server.new_token()[0]


@given(text=strings, escaped=written, member=st.booleans(), chunked=st.booleans())
@settings(max_examples=60, deadline=None)
def test_server_returns_every_string(
    server: Server,
    session: tuple[requests.Session, str],
    text: str,
    escaped: bool,
    member: bool,
    chunked: bool,
) -> None:
    client, token = session
    body = body_of(text, escaped=escaped)
    expected = json.loads(body)
    headers = {"Content-Type": "application/json"}
    if member:
        body = b'{"auth": "%b", ' % token.encode() + body[1:]
    else:
        headers["Authorization"] = f"Bearer {token}"
    half = len(body) // 2
    data = iter([body[:half], body[half:]]) if chunked else body
    answer = client.post(f"{server.url}/echo", data=data, headers=headers, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.content.decode("utf-8")) == expected


def test_the_largest_body_passes_and_one_byte_more_does_not(server: Server) -> None:
    token, _ = server.new_token()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    text = "x" * (BODY_LIMIT - len(b'{"str": ""}'))
    for extra, status in ((0, 200), (1, 413)):
        body = json.dumps({"str": text + "y" * extra}).encode()
        assert len(body) == BODY_LIMIT + extra
        for data in (body, iter([body[:500_000], body[500_000:]])):
            answer = requests.post(f"{server.url}/echo", data=data, headers=headers, timeout=30)
            assert answer.status_code == status
            if status == 200:
                assert answer.json() == {"str": text}
