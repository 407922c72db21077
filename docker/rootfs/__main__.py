"""Collects the image's files, in the build stage.

    python3 -m rootfs BASE LIB APP OUT

BASE is the unpacked base image of the target platform. It is only read and never run, so it may be for
another processor. LIB holds the installed distributions, APP the service. Below OUT a folder is made for each
layer: `base` (interpreter, standard library, shared libraries, certificates), `lib`, `app` and `data`.

The result depends on nothing but the content of its input: every file has one time stamp, one owner and plain
modes. So a layer whose content did not change has the same digest in every build, and is neither pushed
nor pulled again.
"""

from __future__ import annotations

import os
import py_compile
import re
import shutil
import sys
from pathlib import Path

from rootfs.debian import Packages
from rootfs.elf import closure, full_version, interpreter_of, is_elf
from rootfs.tree import Tree, files, left_out

# Of the standard library, what no server imports: tests, screens, terminals, installers, documentation.
NOT_NEEDED = (
    "__pycache__", "__phello__", "_pyrepl", "config-*", "curses", "dbm", "dist-packages", "doctest.py",
    "ensurepip", "idlelib", "lib2to3", "pdb.py", "pydoc.py", "pydoc_data", "site-packages",
    "sitecustomize.py", "test", "tkinter", "turtle.py", "turtledemo", "unittest", "venv",
    "EXTERNALLY-MANAGED", "LICENSE.txt", "*.ini", "*.rst",
    "lib-dynload/_*test*.so", "lib-dynload/_curses*.so", "lib-dynload/_dbm*.so", "lib-dynload/_gdbm*.so",
    "lib-dynload/_tkinter*.so", "lib-dynload/readline*.so", "lib-dynload/xx*.so",
)  # fmt: skip
# Of the distributions: compiled code's sources, stubs, tests, what only installers read, and werkzeug's
# debugger, which would run what a browser sends.
NOT_SHIPPED = (
    "__pycache__", "bin", "tests", "testing", "*.c", "*.h", "*.pyx", "*.pxd", "*.pxi", "*.pyi", "py.typed",
    "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/WHEEL",
    "*.dist-info/top_level.txt", "*.dist-info/zip-safe", "boto3/data", "boto3/examples", "botocore/data/*/*",
    "dateutil/zoneinfo/*.gz", "flask/sansio/README.md", "urllib3/contrib/emscripten", "werkzeug/debug",
)  # fmt: skip
# botocore carries the models of 400 services; the store speaks to one.
SHIPPED = ("botocore/data/dynamodb/2012-08-10/[!e]*", "botocore/data/dynamodb/2012-08-10/endpoint*")
# glibc loads it by name when a thread ends.
LOADED_BY_NAME = ("libgcc_s.so.1",)
USER = 10001


def install(source: Path, target: Path, name: str) -> None:
    """Copy a file; Python becomes byte code without its source, which is then never parsed nor looked for.

    `name` is its path in the image, for tracebacks.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".py":
        # unchecked-hash: no time stamp inside, so builds reproduce.
        py_compile.compile(
            str(source), str(target.with_suffix(".pyc")), name, doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )  # fmt: skip
    else:
        shutil.copyfile(source, target)
        target.chmod(0o755 if os.access(source, os.X_OK) and is_elf(source) else 0o644)


def install_all(source: Path, layer: Path, name: str, without: tuple[str, ...]) -> None:
    """Install the tree `source` as `name` in a layer, but for what is left out."""
    for file in files(source):
        path = file.relative_to(source).as_posix()
        if not left_out(path, without) or left_out(path, SHIPPED):
            install(file, layer / name.lstrip("/") / path, f"{name}/{path}")


def python(base: Tree, out: Path) -> tuple[list[Path], list[Path]]:
    """Install interpreter and standard library, wherever the base has them, as /usr/bin and /usr/lib.

    Returns the files of the base that were used, and the ELF files among them.
    """
    for place in ("/usr/local/bin/python3", "/usr/bin/python3"):
        try:
            program = base.resolve(place)
            break
        except FileNotFoundError:
            continue
    else:
        raise SystemExit("rootfs: the base image has no python3 in /usr/local/bin or /usr/bin")
    version = re.fullmatch(r"python(3\.\d+)", program.name)
    here = f"python3.{sys.version_info.minor}"
    if not version or program.name != here:
        raise SystemExit(f"rootfs: the base image has {program.name}, and the build runs on {here}")
    library = program.parent.parent / "lib" / here
    install(program, out / "usr/bin" / here, "")
    (out / "usr/bin" / here).chmod(0o755)
    for alias in ("python3", "python"):
        (out / "usr/bin" / alias).symlink_to(here)
    used = [program]
    for file in files(library, *NOT_NEEDED):
        name = file.relative_to(library).as_posix()
        real = base.resolve(base.name(file))
        install(real, out / "usr/lib" / here / name, f"/usr/lib/{here}/{name}")
        used.append(real)
    (out / "usr/lib" / here / "VERSION").write_text(full_version(program) + "\n")
    return used, [file for file in used if is_elf(file)]


def certificates(base: Tree, out: Path) -> list[Path]:
    """Install the authorities' certificates where OpenSSL looks for them by default."""
    target = out / "etc/ssl/certs/ca-certificates.crt"
    target.parent.mkdir(parents=True)
    used = list(files(base.resolve("/usr/share/ca-certificates/mozilla")))
    try:  # may hold a company's own authorities as well
        target.write_bytes(base.resolve("/etc/ssl/certs/ca-certificates.crt").read_bytes())
    except FileNotFoundError:  # a base that was only unpacked: the package's own script has not run
        target.write_bytes(b"".join(file.read_bytes() for file in used))
    (out / "usr/lib/ssl").mkdir(parents=True)
    (out / "usr/lib/ssl/cert.pem").symlink_to("../../../etc/ssl/certs/ca-certificates.crt")
    (out / "usr/lib/ssl/certs").symlink_to("../../../etc/ssl/certs")
    return used


def shared_libraries(base: Tree, lib: Path, programs: list[Path], out: Path) -> list[Path]:
    """Install the loader and every library that a program, a module or another library asks for."""
    loader = interpreter_of(programs[0])
    extensions = [file for file in files(lib) if is_elf(file)]
    used = closure([*programs, *extensions], LOADED_BY_NAME, base)
    folder = Path("usr/lib", base.resolve(loader).parent.name)
    for name, file in sorted(used.items()):
        install(file, out / folder / name, "")
    real = base.resolve(loader)
    install(real, out / folder / real.name, "")
    (out / folder / real.name).chmod(0o755)
    link = out / loader.lstrip("/")
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("..", folder, real.name))
    return [*used.values(), real]


def identity(base: Tree, out: Path) -> None:
    """Who runs, how names are looked up, and what this is made from."""
    etc = out / "etc"
    (etc / "passwd").write_text(f"echo:x:{USER}:{USER}::/srv:/nonexistent\n")
    (etc / "group").write_text(f"echo:x:{USER}:\n")
    # Without it glibc asks the name server before it reads /etc/hosts.
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    shutil.copyfile(base.resolve("/etc/os-release"), etc / "os-release")


def settle(top: Path) -> None:
    """Give everything one time and plain modes."""
    for folder, folders, names in os.walk(top):
        for name in [*folders, *names]:
            path = Path(folder, name)
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
            os.utime(path, (0, 0), follow_symlinks=False)
    os.utime(top, (0, 0))


def main() -> None:
    """Make the three trees."""
    base, lib, app, out = Tree(Path(sys.argv[1])), *map(Path, sys.argv[2:5])
    used, programs = python(base, out / "base")
    used += certificates(base, out / "base")
    used += shared_libraries(base, lib, programs, out / "base")
    identity(base, out / "base")
    Packages(base).describe(used, out / "base")
    install_all(lib, out / "lib", "/srv/lib", NOT_SHIPPED)
    install_all(app, out / "app", "/srv/app", ("__pycache__", "requirements.*"))
    # The embedded store's folder, when the service runs alone.
    (out / "data/data").mkdir(parents=True)
    for layer in ("base", "lib", "app", "data"):
        settle(out / layer)


if __name__ == "__main__":
    main()
