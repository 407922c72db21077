"""S3 buckets and secrets: properties and refusals that MiniStack leaves out."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Properties, Provisioner


def _cfn() -> Any:
    return emulator.module("services.cloudformation.provisioners")


# --- buckets ---


def _named(made: Made) -> Made:
    region = emulator.module("core.responses").get_region()
    return made[0], {**made[1], "DualStackDomainName": f"{made[0]}.s3.dualstack.{region}.amazonaws.com"}


def _create_bucket(logical_id: str, properties: Properties, stack_name: str) -> Made:
    return _named(_cfn()._s3_create(logical_id, properties, stack_name))


def _update_bucket(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    return _named(_cfn()._s3_update(physical_id, old, new, stack_name))


def _delete_bucket(physical_id: str, properties: Properties) -> None:
    bucket = emulator.module("services.s3")._buckets.get(physical_id)
    if bucket is not None and bucket["objects"]:
        raise ValueError(f"The bucket you tried to delete is not empty: {physical_id}")
    _cfn()._s3_delete(physical_id, properties)


def _policy_of(handler: str) -> Any:
    def made(*arguments: Any) -> Made:
        made_id, attributes = getattr(_cfn(), handler)(*arguments)
        return str(made_id).removesuffix("-policy"), attributes

    return made


# --- secrets: `Ref` is the ARN, MiniStack's stores know them by name ---


def _secret_name(arn: str) -> str:
    for name, secret in emulator.module("services.secretsmanager")._secrets.items():
        if secret["ARN"] == arn:
            return str(name)
    return arn


def _create_secret(logical_id: str, properties: Properties, stack_name: str) -> Made:
    _, attributes = _cfn()._sm_secret_create(logical_id, properties, stack_name)
    return attributes["Id"], attributes


def _update_secret(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    name = _secret_name(physical_id)
    named = {"Name": name}
    _cfn()._sm_secret_update(name, {**old, **named}, {**new, **named}, stack_name)
    return physical_id, {"Id": physical_id, "Arn": physical_id}


def _delete_secret(physical_id: str, properties: Properties) -> None:
    _cfn()._sm_secret_delete(_secret_name(physical_id), properties)


PROVISIONERS = {
    "AWS::S3::Bucket": Provisioner(_create_bucket, _update_bucket, _delete_bucket),
    "AWS::S3::BucketPolicy": Provisioner(
        _policy_of("_s3_bucket_policy_create"), _policy_of("_s3_bucket_policy_update")
    ),
    "AWS::SecretsManager::Secret": Provisioner(_create_secret, _update_secret, _delete_secret),
}
