"""The files of dev and prod, on the local cloud: created, tested, changed, protected, deleted.

What only a laptop needs is put in: the endpoint, ports that anybody may use, this machine's processor, and a
name of its own for prod.
"""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from stack.files.processor import of_this_machine
from tests.e2e import another
from tests.e2e.checkout import ROOT, Checkout, free_port
from tests.e2e.readme import readme_command

pytestmark = pytest.mark.serial

FILES = "cloudformation/environments"
# What outlives the stacks: table and key, and in prod the bucket of the access logs.
KEPT = {"dev": 2, "prod": 3}


def put(checkout: Checkout, env: str, parameters: dict[str, str | int], **others: str) -> None:
    """Write values of the service into an environment file, in place of what is there; and other texts."""
    local = (checkout.root / FILES / "local.toml").read_text()
    path = checkout.root / FILES / f"{env}.toml"
    text = path.read_text()
    for old, new in others.items():
        assert old in text
        text = text.replace(old, new)
    head, section, tail = text.partition("[parameters.service]\n")
    for name, value in parameters.items():
        tail = re.sub(rf"^{name} = .*\n", "", tail, flags=re.M)
        section += f"{name} = {value!r}\n".replace("'", '"')
    endpoint = "" if "[endpoint]" in text else re.search(r"\[endpoint\]\n.*?\n\n", local, re.S)[0]
    path.write_text(head + endpoint + section + tail)


def on_a_laptop() -> dict[str, str | int]:
    return {"Architecture": of_this_machine(), "HttpPort": free_port(), "BakeMinutes": 0}


def test_dev(place: Checkout) -> None:
    put(place, "dev", on_a_laptop())
    assert "ok          endpoint" in place.succeed(readme_command("make doctor ENV=dev"))
    assert "a month" in place.succeed(readme_command("make cost ENV=dev"))
    place.succeed(readme_command("make create ENV=dev"))
    place.succeed(readme_command("make test ENV=dev"))
    interrupt_load(place)
    put(place, "dev", {"QuietFromHour": 20})
    assert "cron(0 20" in place.succeed("make change ENV=dev NAME=earlier-nights")
    place.succeed("make approve ENV=dev NAME=earlier-nights")
    # It asks for the environment's name, except where the environment has an endpoint of its own.
    gone = place.run(readme_command("make delete ENV=dev"))
    assert (gone.returncode, gone.stdout.count("Kept")) == (0, KEPT["dev"]), gone.stdout + gone.stderr
    assert "dev is deleted" in gone.stderr


def interrupt_load(checkout: Checkout) -> None:
    """Ctrl-C ends a load with a report about the time until then, and its token is revoked."""
    driver = ROOT / ".venv-load/bin/python"
    if not driver.exists() and os.environ.get("CI") != "true":
        return
    load = subprocess.Popen(
        [sys.executable, "-m", "bench.load", "--env", "dev", "--rate", "10", "--json", "--locust", driver,
         "--report", "load.html"],
        cwd=checkout.root, env=checkout.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert load.stderr is not None
    while "failed" not in (line := load.stderr.readline()):
        assert line, "it ended by itself"
    load.send_signal(signal.SIGINT)
    out, err = load.communicate(timeout=120)
    assert load.returncode == 130, err
    assert json.loads(out)["interrupted"]
    assert "interrupted" in (checkout.root / "load.html").read_text()
    listed = json.loads(checkout.succeed("make -s tokens ENV=dev JSON=1"))
    assert [one["state"] for one in listed if one["name"].startswith("load-")] == ["revoked"]


def test_prod(place: Checkout) -> None:
    assert "fill in DomainName and HostedZoneId" in place.fail("make create ENV=prod")
    zone = another.client(place, "route53").create_hosted_zone(Name="example.test", CallerReference="1")
    name = {
        "DomainName": "echo.example.test",
        "HostedZoneId": zone["HostedZone"]["Id"].rpartition("/")[2],
        "HttpsPort": free_port(),
    }
    put(place, "prod", on_a_laptop() | name)
    assert "load_rate" in place.fail("make load ENV=prod")
    assert f"https://echo.example.test:{name['HttpsPort']}" in place.succeed("make create ENV=prod")
    place.succeed("make test ENV=prod")

    # Production is not deleted by mistake: not its stacks, and not its load balancer.
    assert "protect" in place.fail("make delete ENV=prod YES=1")
    assert get_status(place, "prod") == {"CREATE_COMPLETE"}
    put(place, "prod", {"DeletionProtection": "false"}, **{"protection = true": "protection = false"})
    place.succeed("make change ENV=prod NAME=farewell")
    place.succeed("make approve ENV=prod NAME=farewell")
    gone = place.run("make delete ENV=prod YES=1")
    assert (gone.returncode, gone.stdout.count("Kept")) == (0, KEPT["prod"]), gone.stdout + gone.stderr
    assert "prod is deleted" in gone.stderr


def get_status(checkout: Checkout, env: str) -> set[str]:
    """The states of the environment's stacks that are there."""
    found = another.client(checkout, "cloudformation").describe_stacks()["Stacks"]
    return {one["StackStatus"] for one in found if one["StackName"].startswith(f"echo-room-{env}-")}
