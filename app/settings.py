"""Every setting of the service: read once from the environment, typed, checked, and listed.

One table (`SETTINGS`) is the source of the dataclass's values, of `python -m app settings` and of
docs/settings.md, so that none of them can drift from the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from app import values

PREFIX = "ECHO_"


class SettingsError(Exception):
    """The environment holds a setting that cannot be used. The message has one line per mistake."""


@dataclass(frozen=True)
class Setting:
    """One setting: `parse` makes the value of the variable's text, or raises ValueError saying why not."""

    name: str
    default: str
    parse: Callable[[str], Any]
    constraint: str
    description: str

    @property
    def field(self) -> str:
        """The attribute of `Settings` that holds the value."""
        return self.name.removeprefix(PREFIX).lower()


SETTINGS: tuple[Setting, ...] = (
    Setting("ECHO_HOST", "127.0.0.1", values.text(255), "an address of this machine",
            "Address to listen on. `0.0.0.0` is every IPv4 address, which is what a container wants."),
    Setting("ECHO_PORT", "8080", values.integer(1, 65535), "1 to 65535", "Port to listen on."),
    Setting("ECHO_WORKERS", "0", values.integer(0, 64), "0 to 64",
            "Worker processes. 0: one for each CPU this process may use (affinity and cgroup quota)."),
    Setting("ECHO_THREADS", "8", values.integer(1, 64), "1 to 64",
            "Threads per worker for the routes that Flask answers. `POST /echo` needs none."),
    Setting("ECHO_CONNECTIONS", "1000", values.integer(1, 65535), "1 to 65535",
            "Open connections per worker. Further ones are answered 503 and closed."),
    Setting("ECHO_BACKLOG", "2048", values.integer(1, 65535), "1 to 65535",
            "Connections that may wait in the kernel until a worker accepts them."),
    Setting("ECHO_TLS", "off", values.choice("off", "throwaway", "files"), "`off`, `throwaway` or `files`",
            "TLS (1.2 or newer) on `ECHO_PORT`, and nothing else there. `throwaway`: with a certificate that "
            "the process makes for itself at start, for who does not verify it; see the API's page."),
    Setting("ECHO_TLS_CERTIFICATE", "", values.path, "a path; only with `ECHO_TLS=files`",
            "PEM file: the certificate, then those between it and its root. Read once, at start."),
    Setting("ECHO_TLS_KEY", "", values.path, "a path; only with `ECHO_TLS=files`",
            "PEM file: the certificate's private key, not encrypted. Read once, at start."),
    Setting("ECHO_KEEPALIVE_SECONDS", "75", values.number(1, 3600), "1 to 3600 seconds",
            "How long an idle connection is kept. Longer than the load balancer's idle time-out (60 s), so "
            "that it never reuses a connection that is just being closed."),
    Setting("ECHO_HEADER_SECONDS", "10", values.number(0.1, 300), "0.1 to 300 seconds",
            "Time a client has to send a request's header, from its first byte; also how long a new "
            "connection may stay silent, a TLS handshake may take, and a client may refuse to read its "
            "answer."),
    Setting("ECHO_BODY_SECONDS", "20", values.number(0.1, 300), "0.1 to 300 seconds",
            "Time a client has to send a request's body, from the end of the header. Then: 408."),
    Setting("ECHO_GRACE_SECONDS", "5", values.number(0, 300), "0 to 300 seconds",
            "How long the service goes on serving after SIGTERM: not ready, closing connections politely."),
    Setting("ECHO_DRAIN_SECONDS", "10", values.number(0.1, 300), "0.1 to 300 seconds",
            "How long, after the grace period, requests in flight may take to finish."),
    Setting("ECHO_STORE", "sqlite", values.choice("sqlite", "dynamodb"), "`sqlite` or `dynamodb`",
            "Where tokens are kept."),
    Setting("ECHO_SQLITE_PATH", ".state/echo-room.sqlite3", values.text(4096), "a path",
            "File of the SQLite store. It is created, readable by its owner only, when it does not exist."),
    Setting("ECHO_DYNAMODB_TABLE", "echo-room", values.table, "3 to 255 letters, digits, `_`, `.`, `-`",
            "Table of the DynamoDB store. Region, credentials and endpoint: the ordinary AWS variables."),
    Setting("ECHO_STORE_TIMEOUT_SECONDS", "1", values.number(0.05, 30), "0.05 to 30 seconds",
            "How long a connection to the store, and then an answer, is waited for."),
    Setting("ECHO_TOKEN_CACHE_SECONDS", "60", values.number(0, 60), "0 to 60 seconds",
            "How long a verified token is trusted without asking the store again."),
    Setting("ECHO_REFUSAL_CACHE_SECONDS", "10", values.number(0, 10), "0 to 10 seconds",
            "How long a refused token is refused without asking the store again."),
    Setting("ECHO_STORE_OUTAGE_SECONDS", "300", values.number(0, 300), "0 to 300 seconds",
            "How long after its last verification a known token still serves while the store cannot be "
            "reached. Then 503; and after that long an outage the service is not ready."),
    Setting("ECHO_TOKEN_CACHE_SIZE", "10000", values.integer(1, 1_000_000), "1 to 1000000",
            "Entries each of the two token caches (verified, refused) may hold per worker."),
    Setting("ECHO_TRUSTED_HOPS", "0", values.integer(0, 8), "0 to 8",
            "Proxies in front of the service that append to `X-Forwarded-For`; behind one load balancer: 1. "
            "The client's address is the entry that the outermost of them wrote; with 0, the peer's."),
    Setting("ECHO_TOKEN_RATE", "5000", values.number(0, 1_000_000), "0 to 1000000 a second; 0: no limit",
            "Requests, WebSocket messages and pings that one token may send a second and worker, in the long "
            "run."),
    Setting("ECHO_TOKEN_BURST", "25000", values.integer(1, 1_000_000), "1 to 1000000",
            "How many it may send at once after a pause."),
    Setting("ECHO_SOURCE_RATE", "10000", values.number(0, 1_000_000), "0 to 1000000 a second; 0: no limit",
            "Requests per second and worker from one address (IPv6: one /64), with or without a token; "
            "`/healthz` and `/readyz` are free."),
    Setting("ECHO_SOURCE_BURST", "50000", values.integer(1, 1_000_000), "1 to 1000000",
            "How many it may send at once after a pause."),
    Setting("ECHO_CREDENTIAL_RATE", "2", values.number(0, 1_000_000), "0 to 1000000 a second; 0: no limit",
            "Sign-ups and log-ins (`POST /accounts`, `POST /sessions`) a second and worker from one address "
            "(IPv6: one /64), on top of the limits that log-in has itself."),
    Setting("ECHO_CREDENTIAL_BURST", "100", values.integer(1, 1_000_000), "1 to 1000000",
            "How many it may send at once after a pause."),
    Setting("ECHO_LIMIT_SIZE", "10000", values.integer(1, 1_000_000), "1 to 1000000",
            "Clients that each of these three limits remembers per worker, about 200 bytes each; the one "
            "unseen for longest is forgotten first."),
    Setting("ECHO_IN_FLIGHT", "256", values.integer(1, 65535), "1 to 65535",
            "Requests per worker that are being answered at once (arrived whole, not answered yet). Further "
            "ones get a quick 503; `/healthz` and `/readyz` do not count."),
    Setting("ECHO_BODIES_MIB", "64", values.integer(1, 65536), "1 to 65536",
            "MiB of request bodies and unfinished WebSocket messages that a worker holds at once, of all "
            "connections together. Further ones over 16 KiB get a quick 503, or are closed with 1013."),
    Setting("ECHO_ORIGINS", "same-origin", values.origins, "`same-origin` or origins, by comma",
            "Web pages that may open a WebSocket: those of origins like `https://a.example`; `same-origin`: "
            "those whose host and port are the request's own. Only browsers send an origin."),
    Setting("ECHO_WS_IDLE_SECONDS", "300", values.number(0.1, 86400), "0.1 to 86400 seconds",
            "A WebSocket is closed (1000) when no message and no ping came for so long."),
    Setting("ECHO_WS_PING_SECONDS", "25", values.number(0.1, 3600), "0.1 to 3600 seconds",
            "After so much silence the server pings, so that no proxy takes the connection for dead; who "
            "does not answer within 20 s is cut off."),
    Setting("ECHO_SIGN_UP", "invite", values.choice("open", "invite", "closed"),
            "`open`, `invite` or `closed`",
            "Who may make an account: anybody, who has an invitation (`python -m app account invite`), or "
            "nobody."),
    Setting("ECHO_SIGN_UP_TRIES", "10", values.integer(1, 1_000_000), "1 to 1000000",
            "Sign-ups that one source (IPv6: one /64) may try before it has to wait; forgotten after an "
            "hour."),
    Setting("ECHO_LOG_IN_TRIES", "5", values.integer(1, 1_000_000), "1 to 1000000",
            "Failed log-ins to one account from one source before each further one has to wait (1 to 60 s); "
            "ten times as many from one source, or to one account from sources that it does not know."),
    Setting("ECHO_PASSWORD_HASHES", "2", values.integer(1, 64), "1 to 64",
            "Passwords that a worker hashes at once, at 19 MiB each; as many may wait, the rest are answered "
            "503."),
    Setting("ECHO_SESSION_IDLE_SECONDS", "900", values.number(1, 86400), "1 to 86400 seconds",
            "How long a session lasts after it was last used."),
    Setting("ECHO_SESSION_SECONDS", "43200", values.number(1, 604800), "1 to 604800 seconds",
            "How long a session lasts at most, however much it is used."),
    Setting("ECHO_CONSOLE", "on", values.switch, "`on` or `off`",
            "Whether browsers get the console at `/`, and its session in a cookie; see the API's page."),
    Setting("ECHO_ENV", "dev", values.environment, "1 to 32 letters, digits, `-`",
            "The environment the service runs in; `prod` for production. Metrics carry it."),
    Setting("ECHO_FAULTS", "off", values.switch, "`on` or `off`; never `on` when `ECHO_ENV` is `prod`",
            "Whether token holders may ask for delays, statuses and crashes; see the API's page."),
    Setting("ECHO_RELEASE_FAULT", "none", values.choice("none", "errors", "slow", "crash"),
            "`none`, `errors`, `slow` or `crash`; needs `ECHO_FAULTS=on`",
            "What every request with a token runs into, as if this release were broken: status 500, a delay "
            "of two seconds, the end of its worker. It shows that such a release is taken back."),
    Setting("ECHO_ACCESS_LOG", "on", values.switch, "`on` or `off`",
            "One JSON line per request on standard output."),
    Setting("ECHO_LOG_SAMPLE", "1", values.number(0, 1), "0 to 1",
            "Share of the successful requests (status below 400) that get a line; all others always do."),
    Setting("ECHO_METRICS_SECONDS", "60", values.number(0, 3600), "0 to 3600 seconds",
            "How often each worker writes its metrics to standard output in CloudWatch's embedded metric "
            "format. 0: never."),
    Setting("ECHO_MANAGEMENT_PORT", "0", values.integer(0, 65535), "0 to 65535",
            "Port of `GET /metrics` (Prometheus text, the sum of all workers). 0: none."),
    Setting("ECHO_MANAGEMENT_HOST", "127.0.0.1", values.text(255), "an address of this machine",
            "Address of the management port. It asks for no credential."),
    Setting("ECHO_PROBE_URL", "", values.service_url, "a URL like `https://echo.example`",
            "Address of the service that `python -m app probe` tries; nothing else uses it."),
    Setting("ECHO_VERSION", "dev", values.text(128), "up to 128 printable characters",
            "What `/healthz` reports as `version`; the image sets it."),
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The values of all settings; durations in seconds. Made by `load`."""

    host: str
    port: int
    workers: int
    threads: int
    connections: int
    backlog: int
    tls: str
    tls_certificate: str
    tls_key: str
    keepalive_seconds: float
    header_seconds: float
    body_seconds: float
    grace_seconds: float
    drain_seconds: float
    store: str
    sqlite_path: str
    dynamodb_table: str
    store_timeout_seconds: float
    token_cache_seconds: float
    refusal_cache_seconds: float
    store_outage_seconds: float
    token_cache_size: int
    trusted_hops: int
    token_rate: float
    token_burst: int
    source_rate: float
    source_burst: int
    credential_rate: float
    credential_burst: int
    limit_size: int
    in_flight: int
    bodies_mib: int
    origins: tuple[str, ...]
    ws_idle_seconds: float
    ws_ping_seconds: float
    sign_up: str
    sign_up_tries: int
    log_in_tries: int
    password_hashes: int
    session_idle_seconds: float
    session_seconds: float
    console: bool
    env: str
    faults: bool
    release_fault: str
    access_log: bool
    log_sample: float
    metrics_seconds: float
    management_port: int
    management_host: str
    probe_url: str
    version: str


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that `environ` (the process's own by default) describes.

    Raises SettingsError naming every unknown or unusable variable.
    """
    environ = os.environ if environ is None else environ
    known = {setting.name: setting for setting in SETTINGS}
    mistakes = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            import difflib  # only for a mistake: every start and every health check would pay for it

            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "`python -m app settings` lists those that exist"
            mistakes.append(f"{name}: no such setting; {hint}")
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        text = environ.get(setting.name, setting.default)
        try:
            found[setting.field] = setting.parse(text)
        except ValueError as error:
            mistakes.append(f"{setting.name}={text!r}: {error}; it must be {setting.constraint}")
    mistakes += _contradictions(found)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return Settings(**found)


def _contradictions(found: Mapping[str, Any]) -> list[str]:
    """What is wrong between settings that are right each by itself."""
    mistakes = []
    if found.get("faults") and found.get("env") == "prod":
        mistakes.append("ECHO_FAULTS='on': faults on demand are not for production; ECHO_ENV is 'prod'")
    if found.get("release_fault", "none") != "none" and found.get("faults") is False:
        mistakes.append(
            f"ECHO_RELEASE_FAULT={found['release_fault']!r} would do nothing: ECHO_FAULTS is 'off'"
        )
    tls = found.get("tls")
    for name in ("ECHO_TLS_CERTIFICATE", "ECHO_TLS_KEY"):
        path = found.get(name.removeprefix(PREFIX).lower())
        if tls == "files" and path == "":
            mistakes.append(f"{name} is not set; ECHO_TLS is 'files' and needs it")
        elif tls in ("off", "throwaway") and path:
            mistakes.append(f"{name}={path!r} would not be used: ECHO_TLS is {tls!r}; set it to 'files'")
    return mistakes


def rows(settings: Settings) -> list[dict[str, Any]]:
    """Name, value, default, constraint and description of every setting, for listings."""
    return [
        {
            "name": setting.name,
            "value": getattr(settings, setting.field),
            "default": setting.parse(setting.default),
            "constraint": setting.constraint,
            "description": setting.description,
        }
        for setting in SETTINGS
    ]


def markdown() -> str:
    """The table of docs/settings.md, one row per setting."""
    lines = ["| setting | default | allowed | what it does |", "|---|---|---|---|"]
    for s in SETTINGS:
        default = f"`{s.default}`" if s.default else "none"
        lines.append(f"| `{s.name}` | {default} | {s.constraint} | {s.description} |")
    return "\n".join(lines) + "\n"


if {setting.field for setting in SETTINGS} != {field.name for field in fields(Settings)}:
    raise TypeError("Settings and SETTINGS name different settings")
