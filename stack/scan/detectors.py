"""Finds credentials of known formats in what it is sent. Run by .venv-scan's Python, imports nothing of ours.

Standard input: for each text a line of JSON with `where` and `size`, then that many bytes, of any kind.
Standard output, at the end: for each hit a line of JSON with `rule`, `where`, `at` and `shown` (never the
whole secret).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import IO

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

# Formats that can be told by their prefix; guesses by entropy or by the name of a variable find too much.
_LIBRARY = {
    "aws-key": AWSKeyDetector,
    "azure-storage-key": AzureStorageKeyDetector,
    "basic-auth": BasicAuthDetector,
    "discord-token": DiscordBotTokenDetector,
    "github-token": GitHubTokenDetector,
    "json-web-token": JwtTokenDetector,
    "npm-token": NpmDetector,
    "private-key": PrivateKeyDetector,
    "sendgrid-key": SendGridDetector,
    "slack-token": SlackDetector,
    "square-secret": SquareOAuthDetector,
    "stripe-key": StripeDetector,
    "twilio-key": TwilioKeyDetector,
}
_OWN = (
    # The library wants a word's end behind these two; in byte code the next constant may follow at once.
    ("aws-key", r"(?:A3T[0-9A-Z]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}"),
    ("aws-key", r"(?i)aws_?secret_?(?:access_?)?key\W{1,5}[0-9a-z/+]{40}"),
    # This service's tokens, sessions and invitations: 32 characters and a checksum of 6.
    ("echo-token", r"echo[si]?_[0-9A-Za-z]{38}"),
    ("github-token", r"github_pat_[0-9A-Za-z_]{82}"),
)
_PATTERNS = [
    *((rule, pattern) for rule, kind in _LIBRARY.items() for pattern in kind.denylist),
    *((rule, re.compile(text)) for rule, text in _OWN),
]
# What is no printable character ends a line: so binary files are read as `strings` does, at the same offsets.
_PRINTABLE = bytes(byte if 32 <= byte < 127 or byte in b"\t\n" else 10 for byte in range(256))
_SHOWN = 4


def hits(content: bytes) -> Iterator[tuple[str, int, str]]:
    """Each credential: the rule, its offset in the content, the text that matched."""
    text = content.translate(_PRINTABLE).decode("ascii")
    for rule, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if rule != "json-web-token" or _is_json_web_token(match.group()):
                yield rule, match.start(), match.group()


def _is_json_web_token(text: str) -> bool:
    # Without the signature: in byte code the next constant may stick to it.
    return bool(JwtTokenDetector.is_formally_valid(".".join(text.split(".")[:2])))


def _at(content: bytes, offset: int) -> str:
    if b"\0" in content:
        return f"byte {offset}"
    return f"line {content.count(10, 0, offset) + 1}"


def main(source: IO[bytes]) -> None:
    """Read every text, then print every hit, once for each rule and place."""
    found = {}
    while header := source.readline():
        told = json.loads(header)
        content = source.read(told["size"])
        for rule, offset, match in hits(content):
            at = _at(content, offset)
            shown = f"{match[:_SHOWN]}... ({len(match)} characters)"
            found[rule, told["where"], at] = {"rule": rule, "where": told["where"], "at": at, "shown": shown}
    for hit in found.values():
        print(json.dumps(hit))


if __name__ == "__main__":
    main(sys.stdin.buffer)
