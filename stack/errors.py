"""What can go wrong, as one sentence with what to do next and an exit code. Nothing else ends the tool."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 (botocore's own name)
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    UnknownRegionError,
)
from botocore.parsers import ResponseParserError

OK = 0
FAILED = 1
USAGE = 2
REFUSED = 3
INTERRUPTED = 130

# One list for every service's spelling of "your credentials are no good".
_BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "InvalidAccessKeyId",
    "RequestExpired",
}
THROTTLED = {
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
# Every service's spelling of "you may not".
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
# "An account has so many", in services' own words.
_QUOTA = re.compile(r"LimitExceeded|QuotaExceeded|TooMany(?!Requests)|AddressLimit|VpcLimit")


class ToolError(Exception):
    """Something the operator has to know.

    `message` says what was wrong and where, `hint` what to do next, `code` is the exit code. `doctor` is true
    where `make doctor` tells more: of account, machine or network.
    """

    def __init__(self, message: str, hint: str = "", code: int = FAILED, *, doctor: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.doctor = doctor


def usage(message: str, hint: str = "") -> ToolError:
    """Wrong use of a command or a wrong environment file (exit code 2)."""
    return ToolError(message, hint, USAGE)


def refused(message: str, hint: str = "") -> ToolError:
    """Nothing was done, on purpose (exit code 3)."""
    return ToolError(message, hint, REFUSED)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ' (did you mean "x"?)' for the closest of `known`, or an empty string."""
    lowered = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.5)
    return f' (did you mean "{lowered[close[0]]}"?)' if close else ""


def explain(error: BotoCoreError | ClientError | ResponseParserError, where: str) -> ToolError:
    """Turn what botocore raised into one clear ToolError; `where` is the endpoint's URL or the region."""
    if isinstance(error, ClientError):
        return _explain_answer(error, where)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, SSOError)):
        return ToolError(
            f"No usable AWS credentials for {where}: {error}",
            "Log in (`aws sso login`), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
            doctor=True,
        )
    if isinstance(error, ProfileNotFound):
        return ToolError(
            str(error), "Set AWS_PROFILE to a profile of ~/.aws/config, or unset it.", doctor=True
        )
    if isinstance(error, (NoRegionError, InvalidRegionError, UnknownRegionError)):
        return ToolError(str(error), "Correct `region` in the environment file.", doctor=True)
    if isinstance(error, ResponseParserError):
        return ToolError(
            f"What answers at {where} is not AWS or an endpoint like it.",
            "Something else listens there: stop it, or set AWS_ENDPOINT_URL to another port.",
        )
    if isinstance(error, (ConnectionError, HTTPClientError)):
        return ToolError(
            f"Nothing answers at {where}: {error}",
            "Check the network, the region and AWS_ENDPOINT_URL.",
            doctor=True,
        )
    return ToolError(f"{where}: {error}")


def _explain_answer(error: ClientError, where: str) -> ToolError:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", str(error))
    operation = error.operation_name
    if code in _BAD_CREDENTIALS:
        return ToolError(
            f"AWS refuses the credentials ({operation}: {code}): {message}",
            "They are expired or wrong: log in again (`aws sso login`), or check AWS_PROFILE.",
            doctor=True,
        )
    if code in DENIED:
        return ToolError(
            f"These credentials may not call {operation}: {message}",
            "Use a role that may, or have the permission added.",
            doctor=True,
        )
    if code in THROTTLED:
        return ToolError(
            f"{where} throttles {operation}, even after retries: {message}",
            "Wait a minute and run the same command again; it continues where it stopped.",
        )
    # The API tells neither by a code of its own.
    known = "service linked role" in message.lower().replace("-", " ") or _QUOTA.search(code)
    return ToolError(f"{operation} failed at {where}: {message} ({code})", doctor=bool(known))
