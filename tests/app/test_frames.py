"""WebSocket frames: every rule of RFC 6455 that a client can break, and any way to cut the bytes."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connection import frames
from app.connection.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, FrameError, FrameParser

KEY = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = True, rsv: int = 0
) -> bytes:
    """A client's frame."""
    sent = bytearray(frames.encode(opcode, payload))
    sent[0] = (0x80 if final else 0) | rsv | opcode
    if not masked:
        return bytes(sent)
    sent[1] |= 0x80
    head = len(sent) - len(payload)
    return bytes(sent[:head]) + KEY + frames.unmask(payload, KEY)


def parse(data: bytes, limit: int = 1 << 20) -> list[tuple[int, bytes]]:
    return list(FrameParser(limit).feed(data))


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG]), st.binary(max_size=300)), max_size=8),
    st.data(),
)
def test_any_frames_cut_anywhere_come_out_whole(wanted: list[tuple[int, bytes]], data: st.DataObject) -> None:
    wanted = [
        (opcode, payload[:125].decode("utf-8", "ignore").encode() if opcode != BINARY else payload)
        for opcode, payload in wanted
    ]
    wire = b"".join(frame(opcode, payload) for opcode, payload in wanted)
    parser, got, position = FrameParser(1000), [], 0
    while position < len(wire):
        step = data.draw(st.integers(1, 80))
        got += parser.feed(wire[position : position + step])
        position += step
    assert got == wanted


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 1 << 20])
def test_every_form_of_length(length: int) -> None:
    payload = os.urandom(length)
    assert parse(frame(BINARY, payload)) == [(BINARY, payload)]
    assert frames.unmask(frames.unmask(payload, KEY), KEY) == payload


def test_fragments_become_one_message_with_control_frames_between() -> None:
    text = "grün ☃".encode()
    wire = frame(TEXT, text[:4], final=False) + frame(PING, b"x")
    wire += frame(CONTINUATION, b"", final=False) + frame(CONTINUATION, text[4:])
    assert parse(wire + frame(BINARY, b"y")) == [(PING, b"x"), (TEXT, text), (BINARY, b"y")]


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(TEXT, b"a", masked=False), 1002),
        *[(frame(TEXT, b"a", rsv=rsv), 1002) for rsv in (0x40, 0x20, 0x10)],
        *[(frame(opcode, b"a"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
        (frame(CONTINUATION, b"a"), 1002),
        (frame(TEXT, b"a", final=False) + frame(TEXT, b"b"), 1002),
        (frame(PING, b"a", final=False), 1002),
        (frame(CLOSE, b"", final=False), 1002),
        (frame(PING, b"a" * 126), 1002),
        (b"\x82\xfe\x00\x05" + KEY + b"abcde", 1002),  # five bytes with a length of two bytes
        (b"\x82\xff" + (300).to_bytes(8) + KEY + b"a" * 300, 1002),
        (b"\x82\xff" + (1 << 63).to_bytes(8), 1002),
        (b"\x82\xfe" + (1001).to_bytes(2), 1009),  # the header is enough
        (frame(BINARY, b"a" * 600, final=False) + frame(CONTINUATION, b"a" * 401)[:8], 1009),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xed\xa0\x80"), 1007),
        (frame(TEXT, b"\xe2\x98", final=False) + frame(CONTINUATION, b"\xc3"), 1007),
    ],
)
def test_a_broken_rule_is_answered_with_its_code(wire: bytes, code: int) -> None:
    with pytest.raises(FrameError) as raised:
        parse(wire, limit=1000)
    assert raised.value.code == code


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])
def test_a_close_code_that_is_allowed(code: int) -> None:
    assert frames.close_code(code.to_bytes(2) + "tschüß".encode()) == code
    assert frames.close_code(b"") == frames.NO_STATUS
    assert frames.encode_close(frames.NO_STATUS) == b"\x88\x00"


@pytest.mark.parametrize(
    "payload",
    [b"\x03", *[n.to_bytes(2) for n in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)], b"\x03\xe8\xff"],
)
def test_a_close_code_that_is_not(payload: bytes) -> None:
    with pytest.raises(FrameError):
        frames.close_code(payload)


def test_a_flood_of_empty_fragments_is_not_kept() -> None:
    parser = FrameParser(1000)
    assert list(parser.feed(frame(BINARY, b"a", final=False))) == []
    for _ in range(1000):
        assert list(parser.feed(frame(CONTINUATION, b"", final=False) * 10)) == []
    assert len(parser._buffer) + len(parser._message) == 1
    assert list(parser.feed(frame(CONTINUATION, b"z"))) == [(BINARY, b"az")]
