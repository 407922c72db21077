"""Whom this local cloud calls: loopback, and names that its own hosted zones lead there. Nobody else."""

from __future__ import annotations

import ipaddress

from localcloud import emulator
from localcloud.dns.answers import NotFollowedError, Zone, plain
from localcloud.endpoint import LOOPBACK

#: Aliases and CNAMEs that may lead to one another.
_MOST_STEPS = 8


class NotLocalError(ValueError):
    """The name or address is not of this machine; the message says why."""


def address(host: str) -> str:
    """The loopback address that a host name or an IP address stands for.

    Raises NotLocalError for everything else: no name server is ever asked.
    """
    name = plain(host.strip("[]"))
    for _ in range(_MOST_STEPS):
        if name == "localhost" or name.endswith(".localhost"):
            return LOOPBACK
        try:
            found = ipaddress.ip_address(name)
        except ValueError:
            name = plain(_next(name))
            continue
        if not found.is_loopback:
            raise NotLocalError(f"{name} is not a loopback address, and the local cloud calls nothing else")
        return str(found)
    raise NotLocalError(f"the records of {host} lead to one another without end")


def _next(name: str) -> str:
    """Where the hosted zones' record of a name leads: an IPv4 address or another name."""
    for account, zone_id in list(emulator.module("services.route53")._records._data):
        try:
            answer = Zone(account, zone_id).answer(name, "A")
        except NotFollowedError as exc:
            raise NotLocalError(f"{name}: {exc}") from exc
        if answer.values:
            return answer.values[0]
    raise NotLocalError(f"no hosted zone of the local cloud has a record {name} of type A or CNAME, and no "
                        "name server is asked")  # fmt: skip
