"""CloudFormation where MiniStack's differs from AWS's: templates, properties, change sets, deployment."""

from __future__ import annotations

from collections.abc import Callable

from localcloud import resources
from localcloud.stacks import changes, deploying, events, templates, validation


def install(changed: Callable[[], None]) -> None:
    """Install every correction; `changed` is called whenever a stack's state changed."""
    resources.install()
    templates.install()
    validation.install()
    changes.install()
    events.install(changed)
    deploying.install(changed)
