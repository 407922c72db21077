"""`releases` and `rollback`: the images of the repository, and a change back to an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from rich.table import Table

from stack.aws import changesets, endpoint, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.errors import OK, explain, refused, usage
from stack.files.environment import IMAGE_PARAMETER
from stack.image import pin
from stack.now import deployed, tasks
from stack.review import change
from stack.terminal import Terminal

# What is attached to an image where a registry has no referrers is tagged with the image's digest.
_ATTACHED = "sha256-"


@dataclass(frozen=True)
class Release:
    """An image in the repository; `runs_in` are the stacks that were made with it.

    `deployed` is when its last successful deployment had ended, as far as ECS remembers.
    """

    digest: str
    tags: tuple[str, ...]
    pushed: datetime
    runs_in: tuple[str, ...]
    deployed: datetime | None = None


def show(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Print the images, newest first, and which one runs; return the exit code."""
    endpoint.require(cloud)
    _, found = _read(cloud, terminal)
    if as_json:
        terminal.json({"environment": cloud.environment.name, "releases": [asdict(one) for one in found]})
        return OK
    table = Table(pad_edge=False)
    for heading in ("Tag", "Digest", "Pushed", "Deployed", "Runs in"):
        table.add_column(heading, overflow="fold")
    for one in found:
        moments = [
            moment.isoformat(timespec="seconds") if moment else "" for moment in (one.pushed, one.deployed)
        ]
        table.add_row(", ".join(one.tags), one.digest, *moments, ", ".join(one.runs_in))
    terminal.table(table)
    return OK


def rollback(cloud: Cloud, terminal: Terminal, to: str | None, name: str | None, form: change.Form) -> int:
    """Make a change back to the image `to` (a tag, or the beginning of a digest); return the exit code.

    Without `to` it is the one that was deployed before the one that runs; where ECS remembers none, the
    newest that was pushed before it. Only change sets are made.
    """
    endpoint.require(cloud)
    uri, found = _read(cloud, terminal)
    chosen = _named(found, to) if to else _before(cloud, terminal, found)
    if chosen.runs_in:
        raise refused(
            f"{chosen.tags[0]} ({chosen.digest}) runs already in {', '.join(chosen.runs_in)}. "
            "Nothing was done.",
            f"Choose another one: make releases ENV={cloud.environment.name}",
        )
    known = f"deployed {_words(chosen.deployed)}" if chosen.deployed else f"pushed {_words(chosen.pushed)}"
    terminal.say(f"Back to {chosen.tags[0]} ({chosen.digest}), {known}")
    terminal.notice(
        "only the image goes back: what else differs in the files is part of this review, and the next "
        "make change brings the working tree's image again"
    )
    checked = changesets.check_name(name or f"rollback-{chosen.digest.removeprefix('sha256:')[:12]}")
    return change.run(cloud, terminal, checked, "auto", form, image=f"{uri}@{chosen.digest}")


def _words(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _read(cloud: Cloud, terminal: Terminal) -> tuple[str, list[Release]]:
    """The repository's URI, and its tagged images, newest first."""
    environment = cloud.environment
    pin.check_builds(environment, "There are no releases")
    there = {name: stack for name, stack in stacks.describe_all(cloud).items() if stack}
    merged = {key: value for stack in there.values() for key, value in stack.outputs.items()}
    if "RepositoryName" not in merged or "RepositoryUri" not in merged:
        raise refused(
            f"{environment.name} has no image repository yet.",
            f"Create it: make create ENV={environment.name}",
        )
    running: dict[str, tuple[str, ...]] = {}
    for name, stack in there.items():
        digest = stack.parameters.get(IMAGE_PARAMETER, "").rpartition("@")[2]
        running[digest] = (*running.get(digest, ()), name)
    moments = _deployed(cloud, terminal, there)
    found = [
        Release(
            image["imageDigest"],
            tuple(sorted(image["imageTags"])),
            image["imagePushedAt"],
            running.get(image["imageDigest"], ()),
            moments.get(image["imageDigest"]),
        )
        for image in _images(cloud, merged["RepositoryName"])
    ]
    return merged["RepositoryUri"], sorted(found, key=lambda one: one.pushed, reverse=True)


def _images(cloud: Cloud, repository: str) -> list[Any]:
    """A repository's tagged images as DescribeImages has them, without what is attached to others."""
    pages = cloud.ecr.get_paginator("describe_images").paginate(
        repositoryName=repository, filter={"tagStatus": "TAGGED"}
    )
    return [
        image
        for page in pages
        for image in page["imageDetails"]
        if not all(tag.startswith(_ATTACHED) for tag in image["imageTags"])
    ]


def names(cloud: Cloud, there: Mapping[str, Stack | None]) -> dict[str, str]:
    """What the releases of the environment's repository are called, by digest; none without a repository."""
    repositories = [
        stack.outputs["RepositoryName"]
        for stack in there.values()
        if stack and "RepositoryName" in stack.outputs
    ]
    return {
        image["imageDigest"]: min(image["imageTags"])
        for repository in repositories
        for image in _images(cloud, repository)
    }


def _deployed(cloud: Cloud, terminal: Terminal, there: Mapping[str, Stack]) -> dict[str, datetime]:
    """When each image's last deployment had succeeded, by digest; nothing where ECS does not tell."""
    try:
        history = deployed.history(cloud, tasks.describe(cloud, dict(there)))
    except ClientError as error:
        said = explain(error, cloud.where).message
        terminal.notice(f"what was deployed before is not known: {said}")
        return {}
    # The latest comes first, and counts.
    return {one.image.rpartition("@")[2]: one.finished for one in reversed(history)}


def _named(found: list[Release], to: str) -> Release:
    bare = to.removeprefix("sha256:")
    chosen = [one for one in found if to in one.tags or one.digest.removeprefix("sha256:").startswith(bare)]
    if len(chosen) != 1:
        many = "more than one image is" if chosen else "no image is"
        known = ", ".join(tag for one in found for tag in one.tags) or "none"
        raise usage(f'TO="{to}": {many} called so.', f"Tags: {known}")
    return chosen[0]


def _before(cloud: Cloud, terminal: Terminal, found: list[Release]) -> Release:
    """The image that was deployed before the one that runs, else the newest that was pushed before it."""
    earlier = [one for one in found if one.deployed and not one.runs_in]
    if earlier:
        return max(earlier, key=lambda one: one.deployed or one.pushed)
    place = next((number for number, one in enumerate(found) if one.runs_in), len(found))
    if place + 1 >= len(found):
        raise refused(
            "No other image was deployed before, as far as ECS remembers (90 days), and there is no image "
            "older than the one that runs. Nothing was done.",
            f"Choose one with TO=: make releases ENV={cloud.environment.name}",
        )
    terminal.notice(
        "ECS remembers no deployment of another image, so this is the one that was pushed before; whether it "
        "ever ran is not known"
    )
    return found[place + 1]
