"""Settings: every mistake is named; and the documentation says what the code does."""

from __future__ import annotations

import json
import re

import pytest

from app.lifecycle import Lifecycle
from app.problems import KINDS
from app.settings import SETTINGS, SettingsError, load, markdown, rows
from app.web import create_app
from tests.app.servers import ROOT, run_app

NAMES = [setting.name for setting in SETTINGS]


def test_defaults_are_usable_and_safe() -> None:
    settings = load({})
    assert settings.host == "127.0.0.1"
    assert settings.keepalive_seconds > 60, "a load balancer keeps idle connections for 60 s"
    assert settings.grace_seconds + settings.drain_seconds < 30, "ECS sends SIGKILL after 30 s"
    assert settings.token_cache_seconds <= 60
    assert settings.store_outage_seconds <= 300


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ECHO_PORT", "http"), ("ECHO_PORT", "0"), ("ECHO_PORT", "65536"), ("ECHO_PORT", ""),
        ("ECHO_PORT", "8080.0"),
        ("ECHO_HOST", ""), ("ECHO_HOST", "a\nb"), ("ECHO_WORKERS", "-1"), ("ECHO_GRACE_SECONDS", "nan"),
        ("ECHO_GRACE_SECONDS", "-1"), ("ECHO_GRACE_SECONDS", "soon"), ("ECHO_STORE", "redis"),
        ("ECHO_DYNAMODB_TABLE", "a b"), ("ECHO_ACCESS_LOG", "yes"), ("ECHO_TOKEN_CACHE_SECONDS", "61"),
        ("ECHO_STORE_OUTAGE_SECONDS", "301"), ("ECHO_VERSION", ""),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load({name: value})
    constraint = next(setting.constraint for setting in SETTINGS if setting.name == name)
    assert str(raised.value).startswith(f"{name}={value!r}: ")
    assert str(raised.value).endswith(f"it must be {constraint}")


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        load({"ECHO_PORT": "x", "ECHO_STORE": "y", "ECHO_NONSENSE_OF_MINE": "z", "OTHER": "w"})
    assert len(str(raised.value).splitlines()) == 3


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"^ECHO_PROT: no such setting; did you mean ECHO_PORT\?$"):
        load({"ECHO_PROT": "1"})


@pytest.mark.parametrize("command", [["serve"], ["settings"], ["token", "list"], ["healthcheck"]])
def test_a_bad_setting_ends_every_command_in_one_line(command: list[str]) -> None:
    result = run_app(*command, ECHO_PORT="eighty")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == "error: ECHO_PORT='eighty': not a whole number; it must be 1 to 65535\n"


def test_settings_lists_all_with_their_values() -> None:
    listed = json.loads(run_app("settings", "--json", ECHO_PORT="9999").stdout)
    assert [row["name"] for row in listed] == NAMES
    assert listed == json.loads(json.dumps(rows(load({"ECHO_PORT": "9999"}))))
    text = run_app("settings", ECHO_PORT="9999").stdout
    assert "ECHO_PORT=9999   (default 8080)\n" in text
    assert all(f"\n{name}=" in f"\n{text}" for name in NAMES)


def test_every_setting_is_documented() -> None:
    document = (ROOT / "docs" / "settings.md").read_text()
    table = document.split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0]
    assert table.strip() == markdown().strip(), "make the table anew: python -m app settings --markdown"
    assert set(re.findall(r"ECHO_[A-Z_]+[A-Z]", document)) == set(NAMES)


def test_every_route_is_documented() -> None:
    document = (ROOT / "docs" / "api.md").read_text()
    written = set(re.findall(r"^\| `([A-Z]+) (/\S*)` \|", document, flags=re.MULTILINE))
    app = create_app(load({}), Lifecycle())
    routes = {
        (method, rule.rule.replace("<token_id>", "{id}"))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert written == routes | {
        ("POST", "/echo"), ("GET", "/ws"), ("ANY", "/anything"), ("GET", "/whoami"), ("GET", "/healthz/echo"),
    }  # fmt: skip


def test_every_problem_is_documented() -> None:
    document = (ROOT / "docs" / "api.md").read_text()
    written = re.findall(r"^\| `([a-z0-9-]+)` \| (\d+) \| (.+?) \| .*\|$", document, flags=re.MULTILINE)
    assert written == [(kind.name, str(kind.status), kind.meaning) for kind in KINDS.values()]
