"""From the working tree to `repository@sha256:digest`: build and push only what is not there yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from botocore.exceptions import ClientError

from stack.aws.clients import Cloud
from stack.errors import ToolError, usage
from stack.files.environment import Environment
from stack.files.processor import IN_IMAGES
from stack.image import container, engine, inputs, process
from stack.image.registry import Repository
from stack.terminal import Terminal

Runtime = Literal["auto", "container", "process"]


def check_builds(environment: Environment, what: str) -> None:
    """Raise a usage ToolError that begins with `what` where no image is built."""
    if any(environment.builds_for(stack) for stack in environment.stacks):
        return
    if environment.container.image:
        raise usage(
            f"{what}: {environment.file} names the image to run, [container] image = "
            f"{environment.container.image}, so nothing is built or pushed.",
            "Take it out of the file to have the working tree's image built.",
        )
    raise usage(
        f"{what}: none of the stacks of {environment.name} ({', '.join(environment.stacks)}) runs an image."
    )


def check_runtime(environment: Environment, runtime: Runtime) -> None:
    """Raise a usage ToolError when a kind of image is asked for where none is built."""
    if runtime != "auto":
        check_builds(environment, f"RUNTIME={runtime} is of no use")


def choose(cloud: Cloud, runtime: Runtime, terminal: Terminal) -> Literal["container", "process"]:
    """Decide which kind of image to make. Raises a ToolError where wish or machine do not allow it."""
    environment = cloud.environment
    processes = environment.endpoint is not None and environment.endpoint.process_images
    if runtime == "process" and not processes:
        raise usage(
            f"{environment.name} cannot run images as processes.",
            "Leave RUNTIME out: this environment needs a container image, and so a Docker engine.",
        )
    if runtime == "process":
        return "process"
    found = engine.detect()
    if found.state == "works":
        return "container"
    if runtime == "auto" and processes:
        if found.state == "broken":
            terminal.notice(
                f"the Docker engine is there but does not work ({found.detail}); "
                "tasks run as processes instead."
            )
        return "process"
    works = "does not work" if found.state == "broken" else "does not answer"
    raise ToolError(
        f"The Docker engine {works} ({found.detail}), and {environment.name} needs a container image.",
        "Start Docker (or set DOCKER_HOST) and run the same command again."
        + (" Or leave RUNTIME out: the local cloud also runs processes." if processes else ""),
        doctor=True,
    )


def build_here(root: Path, architecture: str | None, terminal: Terminal) -> str:
    """Build the container image in the local engine, with its SBOM; return its name. Raises a ToolError.

    `architecture` is amd64 or arm64; None is the engine's own.
    """
    found = engine.detect()
    if found.state != "works":
        works = "does not work" if found.state == "broken" else "does not answer"
        raise ToolError(
            f"The Docker engine {works} ({found.detail}); a container image cannot be built.",
            "Start Docker, or set DOCKER_HOST, and run the same command again.",
        )
    architecture = architecture or found.architecture
    return _build(root, _tag(root, architecture), architecture, terminal)


def architecture(environment: Environment) -> str:
    """The processor that the environment's tasks run on, amd64 or arm64; empty where no template says."""
    for stack, template in environment.templates.items():
        if declared := template.parameters.get("Architecture"):
            value = environment.parameters[stack].get(declared.name, declared.default)
            return IN_IMAGES.get(value or "", "")
    return ""


def _tag(root: Path, kind: str) -> str:
    """The same content has the same tag, which also says when no commit holds that content."""
    return f"{inputs.fingerprint(root)}-{kind}" + ("-dirty" if inputs.dirty(root) else "")


def _build(root: Path, tag: str, architecture: str, terminal: Terminal) -> str:
    from stack.image import sbom  # its library takes longer to load than most commands take

    local = container.build(root, tag, architecture, terminal)
    sbom.ensure(root, local, terminal)
    return local


def ensure(cloud: Cloud, known: Mapping[str, Mapping[str, str]], runtime: Runtime, terminal: Terminal) -> str:
    """Make sure that the working tree's image is in the environment's repository; return it by digest.

    `known` are the outputs of the stacks that exist. Raises a ToolError.
    """
    merged = {name: value for found in known.values() for name, value in found.items()}
    try:
        uri, repository = merged["RepositoryUri"], merged["RepositoryName"]
    except KeyError as error:
        raise ToolError(
            f"No stack of {cloud.environment.name} has the output {error}.",
            f"Create it first: make create ENV={cloud.environment.name}",
        ) from error
    kind = choose(cloud, runtime, terminal)
    root = cloud.environment.root
    runs_on = architecture(cloud.environment) or engine.detect().architecture
    tag = _tag(root, "process" if kind == "process" else runs_on)
    digest = pushed(cloud, repository, tag)
    if digest:
        terminal.say(f"Image {tag} is in {repository} already")
        _attach(cloud, uri, digest, tag, terminal)
        return f"{uri}@{digest}"
    terminal.say(f"Image {tag}: building and pushing to {repository} ({kind})")
    if kind == "process":
        # Its one layer is app/: there are no packages that an SBOM could list.
        manifest, blobs = process.build(root, tag)
        process.push(Repository(cloud, uri), tag, manifest, blobs)
    else:
        container.push(cloud, _build(root, tag, runs_on, terminal), uri, tag)
    digest = pushed(cloud, repository, tag)
    if digest is None:
        raise ToolError(f"{repository}:{tag} was pushed, but ECR does not have it.")
    terminal.say(f"Pushed {tag} as {digest}")
    _attach(cloud, uri, digest, tag, terminal)
    return f"{uri}@{digest}"


def _attach(cloud: Cloud, uri: str, digest: str, tag: str, terminal: Terminal) -> None:
    """Attach the SBOM that was made beside the image, if it was made here."""
    from stack.image import referrer, sbom

    file = sbom.path(cloud.environment.root, tag)
    if file.exists():
        referrer.attach(cloud, uri, digest, file, terminal)


def pushed(cloud: Cloud, repository: str, tag: str) -> str | None:
    """Return the digest of the image with this tag, None where the repository has none."""
    try:
        found = cloud.ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ImageNotFoundException":
            return None
        raise
    details = found["imageDetails"]
    return details[0]["imageDigest"] if details else None
