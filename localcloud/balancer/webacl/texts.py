"""Text transformations of AWS WAF, and whether a text holds a script.

A transformation that is not here makes its statement one that cannot be told.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import posixpath
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

_JS_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))", re.DOTALL)
_JS_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _js_decode(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        wide, narrow, octal, letter = found.groups()
        if letter is not None:
            return _JS_LETTERS.get(letter, letter)
        code = int(octal, 8) if octal else int(wide or narrow, 16)
        # Letters of full width are read as their ordinary selves.
        return chr(code - 0xFEE0 if wide and 0xFF01 <= code <= 0xFF5E else code)

    return _JS_ESCAPE.sub(plain, text) if "\\" in text else text


def _command_line(text: str) -> str:
    text = re.sub(r"[\\\"'^]", "", text)
    text = re.sub(r"\s+(?=[/(])", "", text)
    return re.sub(r"[,;\s]+", " ", text).lower()


def _base64_decode(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return text


def _hex_decode(text: str) -> str:
    try:
        return bytes.fromhex(text).decode("latin-1")
    except ValueError:
        return text


def _normal_path(text: str) -> str:
    return posixpath.normpath(text) if text else text


def _url_decode_uni(text: str) -> str:
    return unquote_plus(re.sub(r"%u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text))


def _digest(name: str) -> Callable[[str], str]:
    return lambda text: hashlib.new(name, text.encode("latin-1", "replace")).digest().decode("latin-1")


TRANSFORMATIONS: dict[str, Callable[[str], str]] = {
    "NONE": lambda text: text,
    "LOWERCASE": str.lower,
    "UPPERCASE": str.upper,
    "URL_DECODE": unquote_plus,
    "URL_DECODE_UNI": _url_decode_uni,
    "HTML_ENTITY_DECODE": html.unescape,
    "COMPRESS_WHITE_SPACE": lambda text: re.sub(r"\s+", " ", text),
    "REMOVE_WHITESPACE": lambda text: re.sub(r"\s+", "", text),
    "TRIM": str.strip,
    "TRIM_LEFT": str.lstrip,
    "TRIM_RIGHT": str.rstrip,
    "REMOVE_NULLS": lambda text: text.replace("\0", ""),
    "REPLACE_NULLS": lambda text: text.replace("\0", " "),
    "REPLACE_COMMENTS": lambda text: re.sub(r"/\*.*?(?:\*/|\Z)", " ", text, flags=re.DOTALL),
    "JS_DECODE": _js_decode,
    "BASE64_DECODE": _base64_decode,
    "HEX_DECODE": _hex_decode,
    "CMD_LINE": _command_line,
    "NORMALIZE_PATH": _normal_path,
    "NORMALIZE_PATH_WIN": lambda text: _normal_path(text.replace("\\", "/")),
    "MD5": _digest("md5"),
    "SHA256": _digest("sha256"),
}


def transformed(texts: list[str], steps: list[dict[str, Any]]) -> list[str] | None:
    """The texts after every step by its priority, None when a step is unknown here."""
    for step in sorted(steps, key=lambda step: int(step["Priority"])) if len(steps) > 1 else steps:
        change = TRANSFORMATIONS.get(step["Type"])
        if change is None:
            return None
        texts = [change(text) for text in texts]
    return texts


#: Elements that run or fetch something, attributes that are events, and addresses that are programs. No piece
#: can be longer than it has to be: a body must not be able to keep the search busy.
_SCRIPT = re.compile(
    r"<\s*/?\s*(?:applet|base|embed|frame|frameset|handler|iframe|import|isindex|link|listener|meta|noscript"
    r"|object|script|style|svg|vmlframe|xml|xsl|xss)\b"
    r"|<[a-z!/][^<>]{0,500}[\s/\"']on[a-z]{3,32}\s{0,8}="
    r"|<[a-z!/][^<>]{0,500}=\s{0,8}[\"']?\s{0,8}(?:java|vb)script\s{0,8}:"
    r"|\A\s{0,8}(?:java|vb)script\s{0,8}:"
    r"|<!doctype|<!entity",
    re.IGNORECASE,
)


def has_script(text: str) -> bool:
    """Whether a browser that took the text for HTML would run something. A stand-in for AWS's detector."""
    # Most texts have neither, and this is much quicker.
    return ("<" in text or "script" in text.lower()) and _SCRIPT.search(text) is not None
