"""Strings that go wrong where bytes, code points, escapes and lengths are confused."""

from __future__ import annotations

import random

# Stopped on purpose by a web ACL that stands before the service; see `Result.stopped`.
SCRIPT = "<script>alert('echo')</script>"

_NASTY = (
    "",
    " \t\r\n ",
    "\x00",
    "".join(map(chr, range(0x20))) + "\x7f\x80\x9f",
    '"quoted" and \\ back / slashed \\u0041 \\n \\',
    "Grüße, 世界, עברית, 👩‍🚀🏽, e\u0301 is not \u00e9",
    "\ufeff\u2028\u2029\u200b\u202e\ufffd\uffff\U0010ffff",
    '{"str": "not this", "auth": null}',
    SCRIPT,
    "0123456789abcdef" * 4096,
    "\U0001f3e0" * 16384,
)
LONGEST_RANDOM = 2048
_SURROGATES = range(0xD800, 0xE000)


def texts(count: int) -> list[str]:
    """`count` different kinds of strings: first the ones known to be hard, then random ones."""
    anything = random.SystemRandom()
    return [
        _NASTY[index] if index < len(_NASTY) else _random(anything, anything.randint(1, LONGEST_RANDOM))
        for index in range(count)
    ]


def _random(anything: random.Random, length: int) -> str:
    characters = [anything.randrange(0x110000 - len(_SURROGATES)) for _ in range(length)]
    return "".join(chr(one if one < _SURROGATES.start else one + len(_SURROGATES)) for one in characters)
