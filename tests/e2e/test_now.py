"""What runs now, asked of real tasks: what they wrote, how they are, and the tokens they take."""

import json
import urllib.error
import urllib.request

import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.readme import readme_command

pytestmark = pytest.mark.serial


def status_of_an_echo(place: Checkout, token: str) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{place.http_port}/echo",
        b'{"str": "x"}',
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_what_runs_now(place: Checkout) -> None:
    place.succeed("make create ENV=local")
    token = place.succeed("make -s token ENV=local NAME=now").strip().removeprefix("export TOKEN=")
    assert status_of_an_echo(place, token) == 200

    (service,) = json.loads(place.succeed("make -s tasks ENV=local JSON=1"))
    assert {task["target"] for task in service["tasks"]} == {"healthy"}
    assert {task["health"] for task in service["tasks"]} <= {"HEALTHY", "UNKNOWN"}
    ids = {task["id"] for task in service["tasks"]}

    lines = place.succeed("make -s logs ENV=local JSON=1").splitlines()
    echoes = [
        line
        for line in map(json.loads, lines)
        if isinstance(line["message"], dict) and line["message"].get("path") == "/echo"
    ]
    assert [line["message"]["status"] for line in echoes] == [200]
    assert {line["task"] for line in echoes} < ids
    # A term with a character that is no letter, digit or _ stands in quotation marks, as CloudWatch wants it.
    found = place.succeed("""make logs ENV=local FILTER='"/echo"'""").splitlines()
    (shown,) = [line for line in found if "POST" in line]
    assert echoes[0]["task"][:8] in shown
    assert token not in "".join(lines)

    (made,) = [
        one for one in json.loads(place.succeed("make -s tokens ENV=local JSON=1")) if one["name"] == "now"
    ]
    place.succeed(f"make revoke-token ENV=local ID={made['id']}")
    assert "revoked" in place.succeed("make tokens ENV=local")

    drilled = place.succeed(readme_command("make drill"))
    assert drilled.count(" pass ") == 2, drilled
    assert "No drill failed" in drilled
    # Whether the latency is kept is the machine's affair; no request may fail.
    judged = place.run(readme_command("make load")).stdout
    assert "availability: kept" in judged
    assert "correctness: kept" in judged
    place.succeed(readme_command("make dashboard"))
    assert (place.root / "dashboard.png").read_bytes().startswith(b"\x89PNG")

    assert "No drift" in place.succeed("make drift ENV=local")
    assert "no sessions" in place.fail("make exec ENV=local")
