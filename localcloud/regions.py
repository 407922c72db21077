"""The loopback address at which load balancers of a region listen: regions do not share their ports.

So a name that leads to balancers of two regions says by its address which of them answers.
"""

from __future__ import annotations

from localcloud.endpoint import LOOPBACK

#: In this order: 127.0.0.1, 127.0.0.2, ... New regions go to the end.
_REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "eu-central-1", "eu-west-1",
    "eu-west-2", "eu-west-3", "eu-north-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
    "ap-south-1", "ap-southeast-1", "ap-southeast-2", "sa-east-1", "af-south-1", "ap-east-1", "ap-east-2",
    "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
    "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "me-south-1",
    "mx-central-1",
)  # fmt: skip


def address(region: str) -> str:
    """Where a region's load balancers listen; where the first one's do for a region that is not known."""
    return f"127.0.0.{_REGIONS.index(region) + 1}" if region in _REGIONS else LOOPBACK


def of_arn(arn: str) -> str:
    """The region in an ARN."""
    return arn.split(":")[3]
