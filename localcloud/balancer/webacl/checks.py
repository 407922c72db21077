"""What WAF refuses, of a stack's resource and of a request alike."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from localcloud import emulator
from localcloud.balancer.webacl import managed

Record = dict[str, Any]


class WafError(ValueError):
    """A request that WAF refuses; `code` is the error's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def waf() -> Any:
    """MiniStack's records."""
    return emulator.module("services.waf")


def addresses(version: str, given: list[str]) -> None:
    """Ranges of one version, and not everything there is."""
    for address in given:
        try:
            network = ip_network(address, strict=False)
        except ValueError:
            network = None
        if network is None or network.version != (6 if version == "IPV6" else 4) or network.prefixlen == 0:
            raise WafError(
                "WAFInvalidParameterException",
                f"Error reason: The parameter contains formatting that is not valid., field: IP_ADDRESS, "
                f"parameter: {address} (an {version} range, but not /0)",
            )


def rules(given: list[Record]) -> None:
    """What the rules of a web ACL refer to, and what they override, is there."""
    _references(given)
    for rule in given:
        group = (rule.get("Statement") or {}).get("ManagedRuleGroupStatement") or {}
        if unknown := managed.unknown_rules(group):
            raise WafError(
                "WAFInvalidParameterException",
                "Error reason: The parameter contains a name that is not valid., "
                f"field: RULE_ACTION_OVERRIDES, parameter: {', '.join(unknown)} "
                f"({group['Name']} has no such rule)",
            )


def _references(within: Any) -> None:
    for value in within.values() if isinstance(within, dict) else within if isinstance(within, list) else ():
        _references(value)
    if isinstance(within, dict) and "ARN" in within:
        _, problem = waf()._resolve_local_waf_resource_arn(within["ARN"])
        if problem is not None:
            raise WafError(
                "WAFNonexistentItemException", f"AWS WAF couldn't find the resource {within['ARN']}"
            )


def unused(record: Record) -> None:
    """Nobody refers to an IP set, a pattern set or a rule group that is to go."""
    arn = record["ARN"]
    for user in (*waf()._web_acls.values(), *waf()._rule_groups.values()):
        if user["ARN"] != arn and f"'{arn}'" in str(user["Rules"]):
            raise WafError(
                "WAFAssociatedItemException",
                f"AWS WAF couldn't delete {record['Name']}: {user['Name']} refers to it",
            )


def guards_nothing(acl: Record) -> None:
    """A web ACL that is to go stands in front of no load balancer."""
    guarded = [arn for arn, found in waf()._associations.items() if found == acl["ARN"]]
    if guarded:
        raise WafError(
            "WAFAssociatedItemException",
            f"AWS WAF couldn't delete the web ACL: it is in use by {', '.join(guarded)}",
        )


def unchanged(record: Record, request: Record) -> None:
    """The caller has seen the newest version of what it changes."""
    if request.get("LockToken") != record["LockToken"]:
        raise WafError(
            "WAFOptimisticLockException",
            "AWS WAF couldn't save your changes because someone changed the resource after you started to "
            "edit it. Get it again, and reapply your changes.",
        )


def logging(configuration: Record) -> Record:
    """The web ACL that is to be logged, once nothing speaks against the configuration."""
    (destination,) = configuration["LogDestinationConfigs"]
    if not destination.split(":", 5)[5].removeprefix("log-group:").startswith("aws-waf-logs-"):
        raise WafError(
            "WAFInvalidParameterException",
            "Error reason: The ARN isn't valid. A valid ARN begins with arn: and includes other information "
            f"separated by colons or slashes., field: LOG_DESTINATION, parameter: {destination} "
            "(its name must begin with aws-waf-logs-)",
        )
    acl, problem = waf()._resolve_local_web_acl(configuration["ResourceArn"])
    if problem is not None:
        raise WafError(
            "WAFNonexistentItemException",
            f"AWS WAF couldn't find the web ACL {configuration['ResourceArn']}",
        )
    found: Record = acl
    return found
