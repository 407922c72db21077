"""CloudWatch Logs where MiniStack's differs from AWS: filter patterns, pages of what they find, bounds."""

from localcloud.logs import api, limits


def install() -> None:
    """Install every correction; before the saved state is loaded."""
    api.install()
    limits.install()


__all__ = ["install"]
