"""Commands about the image: build, push, scan."""

from __future__ import annotations

import os

import click

from stack.aws import endpoint, stacks
from stack.aws.clients import Cloud
from stack.commands.base import as_data, as_json, command, example, runtime, tool
from stack.errors import OK
from stack.image import pin
from stack.terminal import Terminal


@tool.command("image", epilog=example("image"))
@click.option(
    "--base-image",
    metavar="IMAGE",
    help="Whose files are taken, instead of the Dockerfile's; debian: of Debian's packages.",
)
@click.option(
    "--arch", type=click.Choice(["amd64", "arm64"]), help="Processor to build for, instead of this one."
)
@as_data
@click.pass_context
def _image(ctx: click.Context, base_image: str | None, arch: str | None, as_data: bool) -> int:
    """Build the working tree's container image in the local Docker engine; needs no environment.

    An image for another processor needs no emulation.
    """
    if base_image:
        os.environ["BASE_IMAGE"] = base_image
    terminal = Terminal(as_json=as_data)
    _show(terminal, pin.build_here(ctx.obj, arch, terminal))
    return OK


@command("push", "--env local")
@runtime
@as_data
def _push(cloud: Cloud, terminal: Terminal, runtime: pin.Runtime) -> int:
    """Build the working tree's image and push it to the environment's repository, unless it is there."""
    pin.check_builds(cloud.environment, "There is nothing to push")
    endpoint.present(cloud, terminal)
    _show(terminal, pin.ensure(cloud, stacks.outputs(cloud), runtime, terminal))
    return OK


def _show(terminal: Terminal, image: str) -> None:
    terminal.result(image)
    terminal.data({"image": image})


@tool.command("scan", epilog=example("scan --offline"))
@click.option("--image", default="", metavar="IMAGE", help="A local image, instead of the working tree's.")
@click.option("--offline", is_flag=True, help="Leave out, by name, what needs the network.")
@as_json
@click.pass_context
def _scan(ctx: click.Context, image: str, offline: bool, as_json: bool) -> int:
    """Judge the templates by policies, look for known vulnerabilities, and for secrets in the image.

    Needs no environment. Exit code 0 when every check passed; 1 when one failed or could not be done. What
    was looked at and accepted stands in stack/scan/accepted.toml, for templates beside their resources.
    """
    from stack.scan import run
    from stack.scan.result import Target

    return run.run(Target(ctx.obj, image, Terminal()), offline, as_json)
