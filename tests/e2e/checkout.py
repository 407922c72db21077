"""A checkout of its own on ports of its own, driven by the commands that the README gives."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
# What would make the commands under test behave otherwise than in a user's shell.
FOREIGN = re.compile(r"^(AWS_|ECHO_|LOCALCLOUD_|MAKE|MFLAGS|PYTEST|GNUMAKE)")
VENVS = {"VENV": ".venv", "LOAD_VENV": ".venv-load", "PLOT_VENV": ".venv-plot", "SCAN_VENV": ".venv-scan"}
# Variables that have make use what is installed already.
INSTALLED = " ".join(f"{name}={ROOT}/{folder}" for name, folder in VENVS.items())


class Checkout:
    """A copy of this working tree, in a folder of its own, as a user would have cloned it."""

    def __init__(self, root: Path, engine: bool) -> None:
        self.root = root
        self.gateway_port, self.http_port = free_port(), free_port()
        self.environment = {key: value for key, value in os.environ.items() if not FOREIGN.match(key)}
        # On a busy machine the store may answer later than a person would be made to wait for it.
        self.environment["ECHO_STORE_TIMEOUT_SECONDS"] = "20"
        if not engine:  # as on a machine without Docker
            self.environment["DOCKER_HOST"] = f"unix://{root}/no-engine.sock"
        self._copy()
        self.edit("cloudformation/environments/local.toml", "4566", str(self.gateway_port))
        self.edit("cloudformation/environments/local.toml", "HttpPort = 8080", f"HttpPort = {self.http_port}")

    def _copy(self) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).exists():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                # with its times, or make would take the requirements for changed and install them again
                shutil.copy2(ROOT / name, self.root / name)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new))

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a line as a user would type it; the tests' own virtual environments save their installation."""
        command = re.sub(r"^make\b", f"make {INSTALLED}", command)
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.root,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=280,
            stdin=subprocess.DEVNULL,
        )

    def succeed(self, command: str, **environment: str) -> str:
        done = self.run(command, **environment)
        assert done.returncode == 0, f"$ {command}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start_cloud(self) -> None:
        """Have the local cloud up with nothing on it, for what must be there before an environment is."""
        said = self.succeed("make local-up")
        assert f"started on http://127.0.0.1:{self.gateway_port} " in said

    def fail(self, command: str) -> str:
        done = self.run(command)
        assert done.returncode != 0, f"$ {command}\nexit 0\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def processes(self) -> list[str]:
        """Command lines of running processes that belong to this checkout."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                place = str((entry / "cwd").readlink())
            except OSError:  # it ended meanwhile
                continue
            if str(self.root) in command or place.startswith(str(self.root)):
                found.append(command)
        return found
