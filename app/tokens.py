"""API tokens, session tokens and invitation codes: how they are made, recognised and stored.

`echo_`, `echos_` or `echoi_`, then 32 base62 characters (190 random bits) and 6 of CRC32 over
what stands before. The prefix lets secret scanners find them; the checksum refuses a mistyped one without
asking the store. Only the SHA-256 is stored: a random secret of this size needs no salt and no slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "echo_"
SESSION = "echos_"
INVITATION = "echoi_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH = 32
_CHECKSUM_LENGTH = 6  # 62**6 > 2**32
LENGTH = len(PREFIX) + _SECRET_LENGTH + _CHECKSUM_LENGTH
_SHAPES = {
    prefix: re.compile(f"{prefix}[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}")
    for prefix in (PREFIX, SESSION, INVITATION)
}


def _checksum(text: str) -> str:
    value = zlib.crc32(text.encode("ascii"))
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        value, digit = divmod(value, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def make(prefix: str = PREFIX) -> str:
    """A new token of the kind that `prefix` says."""
    body = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return body + _checksum(body)


def well_formed(token: str, prefix: str = PREFIX) -> bool:
    """Whether `token` has the shape and the checksum of that kind: false means that it cannot be one."""
    if not _SHAPES[prefix].fullmatch(token):
        return False
    body = token[:-_CHECKSUM_LENGTH]
    return secrets.compare_digest(_checksum(body), token[-_CHECKSUM_LENGTH:])


def digest(token: str) -> str:
    """What is stored and looked up: SHA-256 in hexadecimal (64 characters). Any string is accepted."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
