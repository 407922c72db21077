"""The service by a name over HTTPS on the local cloud: certificate, redirect and record as on AWS."""

import re
import subprocess

import pytest

from tests.e2e import another
from tests.e2e.checkout import Checkout, free_port

pytestmark = pytest.mark.serial

FILE = "cloudformation/environments/local.toml"
NAME = "echo.example.test"


def test_https_by_a_name_of_ones_own(place: Checkout) -> None:
    zone = another.client(place, "route53").create_hosted_zone(Name="example.test", CallerReference="test")
    port = free_port()
    place.edit(
        FILE,
        "[parameters.service]",
        f"""[parameters.service]
DomainName = "{NAME}"
HostedZoneId = "{zone["HostedZone"]["Id"].removeprefix("/hostedzone/")}"
HttpsPort = {port}
""",
    )
    created = place.succeed("make create ENV=local")
    said = dict(re.findall(r"^export (URL|TOKEN)=(\S+)$", created, re.M))
    assert said["URL"] == f"https://{NAME}:{port}"
    line = next(line for line in created.splitlines() if line.startswith("curl "))
    answer = subprocess.run(
        ["bash", "-c", line], env={**place.environment, **said}, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == '{"str": "hello"}', answer.stderr
    tested = place.succeed("make test ENV=local")
    for check in (
        "certificate is trusted",
        "TLS 1.3",
        "TLS 1.2",
        "TLS 1.1 is refused",
        "HTTP redirects to HTTPS",
    ):
        assert re.search(rf"{check}.*pass", tested), tested
