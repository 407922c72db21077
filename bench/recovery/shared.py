"""A name that two regions share, and somebody who knows only that name and asks each time where it leads."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.recovery import place as places
from stack.outside import address, web
from tests.e2e.checkout import Checkout, free_port

_DOMAIN = "example.test"
_REGIONS = ("us-east-1", "us-west-2")


@dataclass(frozen=True)
class Client:
    """A client of the service in both regions. `zone` is the id of the zone that the name is in."""

    place: Checkout
    zone: str
    port: int
    domain: str = _DOMAIN
    name: str = f"echo.{_DOMAIN}"
    certificates: Mapping[str, str] = field(default_factory=dict)

    def certificate(self, region: str) -> str:
        """ARN of the region's certificate for the shared name."""
        return self.certificates[region]

    def leads_to(self) -> list[str]:
        """The addresses that the name has now."""
        answer = places.api(self.place, "route53").test_dns_answer(
            HostedZoneId=self.zone, RecordName=self.name, RecordType="A"
        )
        return [str(one) for one in answer["RecordData"]]

    def echoes(self, token: str) -> int:
        """The status of an echo from there, 0 where nothing answers."""
        found = self.leads_to()
        if not found:
            return 0
        try:
            return web.request(
                "POST",
                f"https://{self.name}:{self.port}/echo",
                places.BODY,
                places.headers(token),
                seconds=5,
                context=address.context(self.place.root / ".state/localcloud/certificates/authority.pem"),
                at=found[0],
            ).status
        except (OSError, http.client.HTTPException):
            return 0

    def until_elsewhere(self, here: list[str]) -> None:
        """Wait until the name leads to no address of `here`. Raises TimeoutError after three minutes."""
        deadline = time.monotonic() + places.PATIENCE
        while not (found := self.leads_to()) or set(found) & set(here):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} still leads to {found or 'nothing'}")
            time.sleep(0.1)

    def until_taken(self, token: str) -> None:
        """Wait until an echo succeeds. Raises TimeoutError after three minutes."""
        deadline = time.monotonic() + places.PATIENCE
        while (status := self.echoes(token)) != 200:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} leads to {self.leads_to()}, and an echo gets {status}")
            time.sleep(0.1)


def make_zone(place: Checkout) -> Client:
    """Make the zone of the name, and a certificate for all names in it in each region."""
    zone = places.api(place, "route53").create_hosted_zone(Name=_DOMAIN, CallerReference="recovery")
    certificates = {
        region: places.api(place, "acm", region).request_certificate(
            DomainName=f"*.{_DOMAIN}", ValidationMethod="DNS"
        )["CertificateArn"]
        for region in _REGIONS
    }
    return Client(place, zone["HostedZone"]["Id"].rpartition("/")[2], free_port(), certificates=certificates)
