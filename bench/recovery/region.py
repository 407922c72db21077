"""A region lost: two environments share a name and a table, and one of their regions stops answering."""

from __future__ import annotations

import re
import time

from bench.recovery import place as places
from bench.recovery import writer
from bench.recovery.place import Stopwatch
from bench.recovery.result import Result
from bench.recovery.shared import Client, make_zone
from tests.e2e.checkout import Checkout

EAST, WEST = "us-east-1", "us-west-2"
#: The environments of the two regions.
FIRST, SECOND = "local", "west"


def prepare(place: Checkout) -> Client:
    """Make both environments, in the order of docs/environments.md, "A second region"."""
    places.start(place)
    client = make_zone(place)
    _named(place, FIRST, client, EAST)
    west = (place.root / places.FILE.format(FIRST)).read_text()
    places.create(place)

    for old, new in {
        f'region = "{EAST}"': f'region = "{WEST}"',
        f'EnvironmentName = "{FIRST}"': f'EnvironmentName = "{SECOND}"',
        f'DomainName = "{FIRST}.': f'DomainName = "{SECOND}.',
        client.certificate(EAST): client.certificate(WEST),
        'SharedRouting = "primary"': 'SharedRouting = "secondary"',
    }.items():
        if old not in west:
            raise ValueError(f"the environment's file has no {old!r}")
        west = west.replace(old, new)
    file = place.root / places.FILE.format(SECOND)
    table = places.output(place, FIRST, "data", "TableName")
    for text in (_with_only_a_key(west), west):
        file.write_text(text)
        places.put(place, f'ExistingTable = "{table}"', SECOND)
        places.create(place, SECOND)
        if text != west:
            key = places.output(place, SECOND, "data", "KeyArn")
            places.put(place, f'ReplicaRegion = "{WEST}"\nReplicaKeyArn = "{key}"')
            place.succeed(f"make change ENV={FIRST} NAME=replica")
            place.succeed(f"make approve ENV={FIRST} NAME=replica")
    return client


def _with_only_a_key(text: str) -> str:
    """The environment's file for its first stacks only, whose key the replica is to be encrypted with."""
    head, *tables = re.split(r"^(?=\[)", text, flags=re.M)
    head = re.sub(r"^stacks = .*$", 'stacks = ["registry", "data"]', head, flags=re.M)
    return head + "".join(
        one for one in tables if one.startswith(("[endpoint]", "[parameters.data]", "[tags]"))
    )


def _named(place: Checkout, env: str, client: Client, region: str) -> None:
    """Give the service a name of its own and the shared one."""
    file = places.FILE.format(env)
    place.edit(
        file,
        "[parameters.service]\n",
        f"""[parameters.service]
DomainName = "{env}.{client.domain}"
HostedZoneId = "{client.zone}"
HttpsPort = {client.port}
CertificateArn = "{client.certificate(region)}"
""",
    )
    place.edit(
        file,
        "[parameters.health]\n",
        f"""[parameters.health]
SharedName = "{client.name}"
HostedZoneId = "{client.zone}"
SharedRouting = "primary"
""",
    )


def outage(place: Checkout, seconds: float) -> None:
    """Have the first region not answer for a time; 0 gives it back."""
    place.succeed(
        f"{places.PYTHON} -m localcloud region-outage {EAST} --seconds {seconds:g} "
        f"--endpoint http://127.0.0.1:{place.gateway_port}"
    )


def run(place: Checkout, seconds: float) -> Result:
    """Make both regions, and lose the first."""
    return lose(place, prepare(place), seconds)


def lose(place: Checkout, client: Client, seconds: float) -> Result:
    """Write into the first region for `seconds`, lose it, wait until the shared name answers elsewhere.

    The region is given back at the end.
    """
    watch = Stopwatch()
    with places.writes(place, FIRST, EAST) as at_work:
        time.sleep(seconds)
        token = at_work.acknowledged[0].token
        client.until_taken(token)
        here = client.leads_to()
        lost_at = time.time()
        outage(place, 3600)
        with watch.step("until the shared name leads elsewhere"):
            client.until_elsewhere(here)
        with watch.step("until the token is taken there"):
            client.until_taken(token)
        again = time.time()
    # A replica is called as the table.
    other = writer.store(f"http://127.0.0.1:{place.gateway_port}", WEST, at_work.table)
    result = Result(
        "region",
        "the region",
        again - lost_at,
        lost_at,
        at_work.before(lost_at),
        writer.known(other, at_work.before(lost_at)),
        0,
        watch.steps,
    )
    outage(place, 0)
    return result
