"""CloudWatch Logs where MiniStack's differs from AWS: filter patterns, and the pages of what they find."""

from localcloud.logs.api import install

__all__ = ["install"]
