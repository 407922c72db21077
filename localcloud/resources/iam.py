"""IAM: identity providers of OpenID Connect, boundaries of roles, and the sizes policies may have."""

from __future__ import annotations

import json
import re
from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Properties, Provisioner, call


def _iam() -> Any:
    return emulator.module("services.iam")


def _cfn() -> Any:
    return emulator.module("services.cloudformation.provisioners")


def _members(properties: Properties) -> dict[str, list[str]]:
    request = {"Url": [properties["Url"]]}
    for name, there in (("ClientIdList", "ClientIDList"), ("ThumbprintList", "ThumbprintList")):
        for number, value in enumerate(properties.get(name) or [], 1):
            request[f"{there}.member.{number}"] = [value]
    for number, tag in enumerate(properties.get("Tags") or [], 1):
        request[f"Tags.member.{number}.Key"] = [tag["Key"]]
        request[f"Tags.member.{number}.Value"] = [tag["Value"]]
    return request


def _create_provider(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    if not str(properties.get("Url", "")).startswith("https://"):
        raise ValueError("Url is required and must begin with https://")
    answer = call("Iam", _iam()._create_oidc_provider, _members(properties))
    found = re.search(r"<OpenIDConnectProviderArn>(.*?)</", answer)
    if found is None:
        raise RuntimeError(f"IAM answered without an ARN: {answer}")
    return found[1], {"Arn": found[1]}


def _update_provider(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del old, stack_name
    _iam()._oidc_providers[physical_id].update(
        ClientIDList=list(new.get("ClientIdList") or []),
        ThumbprintList=list(new.get("ThumbprintList") or []),
        Tags=list(new.get("Tags") or []),
    )
    return physical_id, {"Arn": physical_id}


def _delete_provider(physical_id: str, properties: Properties) -> None:
    del properties
    if physical_id in _iam()._oidc_providers:
        request = {"OpenIDConnectProviderArn": [physical_id]}
        call("Iam", _iam()._delete_oidc_provider, request)


#: Characters, white space not counted.
_MANAGED_POLICY, _INLINE_POLICIES, _TRUST_POLICY = 6144, 10240, 2048


def _check_size(kind: str, documents: list[Any], limit: int) -> None:
    texts = (text if isinstance(text, str) else json.dumps(text) for text in documents)
    size = sum(len(re.sub(r"\s", "", text)) for text in texts)
    if size > limit:
        raise ValueError(f"Cannot exceed quota for {kind}: {limit} (it has {size} characters)")


def _check_role(properties: Properties) -> None:
    _check_size("ACLSizePerRole", [properties["AssumeRolePolicyDocument"]], _TRUST_POLICY)
    policies = [policy["PolicyDocument"] for policy in properties.get("Policies") or []]
    _check_size("the policies in a role", policies, _INLINE_POLICIES)


def _check_attached(properties: Properties) -> None:
    """Refuse policies of this account that are not there; which ones AWS itself has is not known here."""
    boundary = properties.get("PermissionsBoundary")
    named = [("Policy", arn) for arn in properties.get("ManagedPolicyArns") or []]
    for kind, arn in [*named, *([("Scope ARN:", boundary)] if boundary else [])]:
        if ":iam::aws:" not in arn and arn not in _iam()._policies:
            raise ValueError(
                f'Resource handler returned message: "{kind} {arn} does not exist or is not attachable. '
                '(Service: Iam, Status Code: 404)" (HandlerErrorCode: NotFound)'
            )


def _create_policy(logical_id: str, properties: Properties, stack_name: str) -> Made:
    _check_size("PolicySize", [properties["PolicyDocument"]], _MANAGED_POLICY)
    made: Made = _cfn()._iam_managed_policy_create(logical_id, properties, stack_name)
    return made


def _update_policy(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    _check_size("PolicySize", [new["PolicyDocument"]], _MANAGED_POLICY)
    made: Made = _cfn()._iam_managed_policy_update(physical_id, old, new, stack_name)
    return made


def _bounded(made: Made, properties: Properties) -> Made:
    _iam()._roles[made[0]]["PermissionsBoundary"] = properties.get("PermissionsBoundary")
    return made


def _create_role(logical_id: str, properties: Properties, stack_name: str) -> Made:
    _check_role(properties)
    _check_attached(properties)
    return _bounded(_cfn()._iam_role_create(logical_id, properties, stack_name), properties)


def _update_role(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    _check_role(new)
    _check_attached(new)
    named = {"RoleName": physical_id}
    made = _cfn()._iam_role_update(physical_id, {**old, **named}, {**new, **named}, stack_name)
    return _bounded(made, new)


PROVISIONERS = {
    "AWS::IAM::OIDCProvider": Provisioner(_create_provider, _update_provider, _delete_provider, tagged=True),
    "AWS::IAM::ManagedPolicy": Provisioner(_create_policy, _update_policy),
    "AWS::IAM::Role": Provisioner(_create_role, _update_role),
}
