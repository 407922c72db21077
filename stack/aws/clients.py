"""boto3 clients of one environment: its region, its endpoint, its credentials, retries with back-off."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from stack.files.environment import Environment

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sts import STSClient

# An endpoint of our own has no accounts; these keep a real one's credentials out of it.
_DUMMY = "local"


class Cloud:
    """The API one environment lives in, in one region. Clients are made when first asked for."""

    def __init__(self, environment: Environment, region: str = "") -> None:
        self.environment = environment
        self.region = region or environment.region
        self._others: dict[str, Cloud] = {}
        given = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
        fallback = environment.endpoint.url if environment.endpoint else ""
        self.url = given or fallback
        self._clients: dict[str, Any] = {}
        self._session: boto3.Session | None = None

    def of(self, stack: str) -> Cloud:
        """Return the API in the region of a stack, by a name of it or its id (an ARN says its region)."""
        if stack.startswith("arn:"):
            return self.within(stack.split(":")[3])
        return self.within(self.environment.region_of(stack))

    def within(self, region: str) -> Cloud:
        """Return the API in a region."""
        if region == self.region:
            return self
        if region not in self._others:
            self._others[region] = Cloud(self.environment, region)
        return self._others[region]

    @property
    def where(self) -> str:
        """Words for messages: the endpoint's URL, or AWS and the region."""
        return self.url or f"AWS in {self.region}"

    @property
    def pause(self) -> float:
        """Seconds between two looks at a running operation."""
        return 0.3 if self.environment.endpoint else 2.0

    @property
    def credentials(self) -> dict[str, str]:
        """Static credentials to use: none for a real environment, dummies where an endpoint is."""
        if not self.environment.endpoint or os.environ.get("AWS_ACCESS_KEY_ID"):
            return {}
        return {"AWS_ACCESS_KEY_ID": _DUMMY, "AWS_SECRET_ACCESS_KEY": _DUMMY}

    @property
    def session(self) -> boto3.Session:
        """Whose credentials and which region every client has."""
        if self._session is None:
            static = self.credentials
            self._session = boto3.Session(
                aws_access_key_id=static.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=static.get("AWS_SECRET_ACCESS_KEY"),
                region_name=self.region,
            )
        return self._session

    @property
    def partition(self) -> str:
        """The region's partition (aws, aws-cn, aws-us-gov), by the form of its name if it is a new one."""
        return self.session.get_partition_for_region(self.environment.region)

    def client(self, service: str, **config: Any) -> Any:
        """Make a client; `config` are botocore Config values that replace the usual ones."""
        usual: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": 8},
            "connect_timeout": 10,
            "read_timeout": 60,
            "user_agent_extra": "echo-room-stack",
        }
        return self.session.client(
            service, endpoint_url=self.url or None, config=Config(**{**usual, **config})
        )

    def cached(self, service: str) -> Any:
        """The client of a service that has no property of its own here."""
        if service not in self._clients:
            self._clients[service] = self.client(service)
        return self._clients[service]

    def hurry(self, service: str) -> None:
        """Give up soon on a service that does not answer, as where somebody waits for nothing else."""
        self._clients[service] = self.client(
            service, connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1}
        )

    @property
    def cloudformation(self) -> CloudFormationClient:
        """CloudFormation."""
        return self.cached("cloudformation")

    @property
    def cloudwatch(self) -> CloudWatchClient:
        """CloudWatch."""
        return self.cached("cloudwatch")

    @property
    def ecr(self) -> ECRClient:
        """Elastic Container Registry."""
        return self.cached("ecr")

    @property
    def ecs(self) -> ECSClient:
        """Elastic Container Service."""
        return self.cached("ecs")

    @property
    def elbv2(self) -> ElasticLoadBalancingv2Client:
        """Elastic Load Balancing."""
        return self.cached("elbv2")

    @property
    def logs(self) -> CloudWatchLogsClient:
        """CloudWatch Logs."""
        return self.cached("logs")

    @property
    def sts(self) -> STSClient:
        """Security Token Service."""
        return self.cached("sts")

    def process_environment(self) -> dict[str, str]:
        """The environment of a command that has to reach the same API (the token command)."""
        region = self.environment.region
        found = {**os.environ, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, **self.credentials}
        if self.url:
            found["AWS_ENDPOINT_URL"] = self.url
        return found
