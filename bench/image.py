"""How big the image is, and how soon it serves.

    python -m bench.image [IMAGE] [--starts 5]

Sizes: IMAGE (default: the one of this working tree, built if needed) next to its base and to a plain build of
the same app on that base (bench/plain.Dockerfile), made in the same run. Compressed: each layer by gzip, as
registries keep them. Starts: from `docker run`, and from starting `python -m app serve` on this machine, to
the first 200 on /readyz, in turn. The container shares the host's network, so that the image is measured and
not the engine's bridge.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 30.0


def docker(*arguments: str, stdin: bytes | None = None) -> str:
    """Run docker and return what it printed. Exits with what it said when it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, input=stdin, check=False)
    if done.returncode:
        sys.exit(
            f"docker {arguments[0]} failed: {done.stderr.decode().strip() or done.stdout.decode().strip()}"
        )
    return done.stdout.decode().strip()


def unpacked(image: str) -> int:
    """Bytes of all layers, unpacked."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


def compressed(image: str) -> int:
    """Bytes of all layers, each compressed by gzip at its default level."""
    total = 0
    with tempfile.TemporaryFile() as saved:
        subprocess.run(["docker", "save", image], stdout=saved, check=True)
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content and member.size > 10_240:  # smaller ones are descriptions and empty layers
                    packer = zlib.compressobj(6, wbits=31)
                    while block := content.read(1 << 20):
                        total += len(packer.compress(block))
                    total += len(packer.flush())
    return total


def base_of(image: str, arch: str) -> str:
    """The base that the image's files were taken from, by its name in the engine."""
    label = '{{index .Config.Labels "org.opencontainers.image.base.name"}}'
    named = docker("image", "inspect", "--format", label, image)
    for name in (f"echo-room-base:pinned-{arch}", named):
        if (name == named or "@" in named) and docker("images", "--quiet", name):
            return name
    sys.exit(f"{named}, which {image} was made from, is not in the engine any more; build the image again")


@contextlib.contextmanager
def plain_build(base: str, arch: str) -> Iterator[str]:
    """The plain image, removed in the end."""
    tag = f"echo-room-plain:{uuid.uuid4().hex[:8]}"
    files = ["bench/plain.Dockerfile", f"docker/wheels/{arch}", "app"]
    context = subprocess.run(
        ["tar", "--create", "--exclude", "__pycache__", *files], cwd=ROOT, stdout=subprocess.PIPE, check=True
    ).stdout
    options = ["--build-arg", f"BASE_IMAGE={base}", "--build-arg", f"ARCH={arch}", "--tag", tag]
    docker("build", "--file", "bench/plain.Dockerfile", *options, "-", stdin=context)
    try:
        yield tag
    finally:
        docker("image", "rm", "--force", tag)


def sizes(image: str) -> None:
    """Print the table of sizes."""
    arch = docker("image", "inspect", "--format", "{{.Architecture}}", image)
    base = base_of(image, arch)
    print(f"{'':<34}{'unpacked':>12}{'compressed':>12}")
    row(f"base ({base})", base)
    if arch == docker("version", "--format", "{{.Server.Arch}}"):
        with plain_build(base, arch) as plain:
            row("plain build on it", plain)
    else:
        print(f"{'plain build on it':<34}        (only made for this machine's own processor)")
    row(f"image ({arch})", image)


def row(what: str, image: str) -> None:
    """Print one row of sizes."""
    print(f"{what:<34}{unpacked(image) / 1e6:>9.1f} MB{compressed(image) / 1e6:>9.1f} MB", flush=True)


def wait_until_ready(port: int, since: float) -> float:
    """Seconds from `since` to the first 200 on /readyz."""
    while time.perf_counter() - since < SECONDS:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return time.perf_counter() - since
        time.sleep(0.002)
    sys.exit(f"nothing was ready on port {port} within {SECONDS:.0f} s")


def start_process(port: int) -> float:
    """Start the bare process, wait, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "ECHO_PORT": str(port),
            "ECHO_SQLITE_PATH": f"{folder}/echo.db",
            "ECHO_GRACE_SECONDS": "0",
        }
        since = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"], cwd=ROOT, env={**os.environ, **settings},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return wait_until_ready(port, since)
        finally:
            process.terminate()
            process.wait(SECONDS)


def start_container(image: str, port: int) -> float:
    """Start a container, hardened as on ECS, wait, remove it."""
    name = f"echo-room-bench-{uuid.uuid4().hex[:8]}"
    settings = {"ECHO_PORT": str(port), "ECHO_HOST": "127.0.0.1", "ECHO_SQLITE_PATH": "/data/echo.db"}
    since = time.perf_counter()
    process = subprocess.Popen(
        ["docker", "run", "--rm", "--name", name, "--network", "host", "--read-only", "--cap-drop", "ALL",
         "--security-opt", "no-new-privileges", "--tmpfs", "/data:uid=10001,mode=0700",
         *(word for key, value in settings.items() for word in ("--env", f"{key}={value}")), image],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return wait_until_ready(port, since)
    finally:
        docker("rm", "--force", name)
        process.wait(SECONDS)


def starts(image: str, count: int, port: int) -> None:
    """Print the table of starting times."""
    found: dict[str, list[float]] = {"bare process": [], "docker run": []}
    for _ in range(count):
        found["bare process"].append(start_process(port))
        found["docker run"].append(start_container(image, port))
    print(f"\n{'to the first 200 on /readyz':<34}{'median':>12}{'fastest':>12}{'slowest':>12}")
    for what, times in found.items():
        columns = (statistics.median(times), min(times), max(times))
        print(f"{what:<34}" + "".join(f"{one * 1000:>9.0f} ms" for one in columns))
    ratio = statistics.median(found["docker run"]) / statistics.median(found["bare process"])
    print(f"{'ratio of the medians':<34}{ratio:>12.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.image", description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", help="default: the working tree's, built if needed")
    parser.add_argument(
        "--starts", type=int, default=5, metavar="N", help="0: sizes only (default %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=18099, help="a free one on loopback (default %(default)s)"
    )
    options = parser.parse_args()
    image = options.image
    if not image:
        made = subprocess.run(
            [sys.executable, "-m", "stack", "image"], cwd=ROOT, stdout=subprocess.PIPE, check=False
        )
        if made.returncode:
            sys.exit(made.returncode)
        image = made.stdout.decode().strip()
    sizes(image)
    if options.starts > 0:
        starts(image, options.starts, options.port)


if __name__ == "__main__":
    main()
