"""An endpoint that can be down."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Stands for an endpoint that can be down: `start` opens a way to the real one, `stop` closes it.
RELAY = """
import os, pathlib, signal, socket, subprocess, sys, threading, time
HERE = pathlib.Path(__file__).parent
PORT, TARGET = {port}, {target}


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


if sys.argv[1] == "serve":
    listener = socket.create_server(("127.0.0.1", PORT))
    while True:
        client, _ = listener.accept()
        upstream = socket.create_connection(("127.0.0.1", TARGET))
        for pair in ((client, upstream), (upstream, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()
elif sys.argv[1] == "start":
    quiet = subprocess.DEVNULL
    child = subprocess.Popen([sys.executable, __file__, "serve"], stdin=quiet, stdout=quiet, stderr=quiet)
    (HERE / "relay.pid").write_text(str(child.pid))
    while socket.socket().connect_ex(("127.0.0.1", PORT)):
        time.sleep(0.05)
    print("relay started")
else:
    pid = HERE / "relay.pid"
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGTERM)
        pid.unlink()
    print("relay stopped")
"""


@dataclass
class Relay:
    """An endpoint that is down until its script's `start` is run."""

    url: str
    script: Path

    def start(self) -> None:
        subprocess.run([sys.executable, str(self.script), "start"], check=True)

    def stop(self) -> None:
        subprocess.run([sys.executable, str(self.script), "stop"], check=True)


def make(folder: Path, port: int, target: str) -> Relay:
    """One at a port of this machine, that leads to the endpoint at `target` once it is started."""
    script = folder / "relay.py"
    script.write_text(RELAY.replace("{port}", str(port)).replace("{target}", target.rsplit(":", 1)[-1]))
    return Relay(f"http://127.0.0.1:{port}", script)
