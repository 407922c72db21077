"""What DynamoDB's tables do beyond MiniStack's: restores to a point in time."""

from localcloud.tables.control import install, start, stop

__all__ = ["install", "start", "stop"]
