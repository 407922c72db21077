"""What DynamoDB's tables do beyond MiniStack's: restores to a point in time, and replicas that lag."""

from localcloud.tables.control import install, start, stop
from localcloud.tables.replication import REPLICATION

__all__ = ["REPLICATION", "install", "start", "stop"]
