"""Whom this local cloud calls: loopback, and names that its own hosted zones lead there. Nobody else."""

from __future__ import annotations

import ipaddress
from typing import Any

from localcloud import emulator
from localcloud.endpoint import LOOPBACK

#: Aliases and CNAMEs that may lead to one another.
_MOST_STEPS = 8


class NotLocalError(ValueError):
    """The name or address is not of this machine; the message says why."""


def address(host: str) -> str:
    """The loopback address that a host name or an IP address stands for.

    Raises NotLocalError for everything else: no name server is ever asked.
    """
    name = _plain(host.strip("[]"))
    for _ in range(_MOST_STEPS):
        if name == "localhost" or name.endswith(".localhost"):
            return LOOPBACK
        try:
            found = ipaddress.ip_address(name)
        except ValueError:
            name = _plain(_next(name))
            continue
        if not found.is_loopback:
            raise NotLocalError(f"{name} is not a loopback address, and the local cloud calls nothing else")
        return str(found)
    raise NotLocalError(f"the records of {host} lead to one another without end")


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _next(name: str) -> str:
    """Where the hosted zones' record of a name leads: an IPv4 address or another name."""
    parent = name.partition(".")[2]
    for wanted in (name, f"*.{parent}"):
        for record in _records():
            if _plain(str(record["Name"]).replace("\\052", "*")) != wanted:
                continue
            if record["Type"] not in ("A", "CNAME"):
                continue
            alias = record.get("AliasTarget")
            values = [alias["DNSName"]] if alias else record.get("ResourceRecords") or []
            if values:
                return str(values[0])
    raise NotLocalError(f"no hosted zone of the local cloud has a record {name} of type A or CNAME, and no "
                        "name server is asked")  # fmt: skip


def _records() -> list[dict[str, Any]]:
    stored = emulator.module("services.route53")._records._data
    return [record for zone in list(stored.values()) for record in zone]
