"""The one way out of the containers' network: a relay to the gateway's Unix socket.

It runs from the task's own image, since no other can be counted on: with the Python in it or, where it has
none, with this machine's, mounted read-only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

#: On every container and network, with the state directory's id.
LABEL = "io.echo-room.localcloud"
PORT = 4566


_SCRIPT = """
import asyncio
async def copy(r, w):
    try:
        while b := await r.read(65536):
            w.write(b); await w.drain()
    except OSError: pass
    finally: w.close()
async def serve(r, w):
    try: gr, gw = await asyncio.open_unix_connection("/gateway/gateway.sock")
    except OSError: w.close(); return
    await asyncio.gather(copy(r, gw), copy(gr, w))
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", %d)
    async with server: await server.serve_forever()
asyncio.run(main())
"""


def start(client: Any, network: str, cloud_id: str, image: str, state: Path) -> tuple[Any, str]:
    """Have the internal network, and a new relay on it; the container and its address. Blocks.

    Raises what the SDK raises, and OSError when the relay ended at once.
    """
    from docker.errors import APIError

    labels = {LABEL: cloud_id}
    if not client.networks.list(names=[f"^{network}$"]):
        client.networks.create(network, driver="bridge", internal=True, labels=labels)
    volumes = {str(state): {"bind": "/gateway", "mode": "ro"}}
    try:
        relay = _run(client, network, image, "python3", volumes, labels)
    except APIError as exc:
        if "python3" not in str(exc):
            raise
        ours = {path: {"bind": path, "mode": "ro"} for path in _python_folders()}
        relay = _run(client, network, image, str(Path(sys.executable).resolve()), {**volumes, **ours}, labels)
    relay.reload()
    address = relay.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]
    if not address:
        raise OSError(f"the relay ended at once: {relay.logs().decode(errors='replace')[-300:]}")
    return relay, str(address)


def _python_folders() -> list[str]:
    """Where this machine's Python and the libraries it is linked with are."""
    found = ["/usr", "/lib", "/lib64"]
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        found.append(sys.base_prefix)
    return [path for path in found if Path(path).is_dir()]


def _run(
    client: Any, network: str, image: str, python: str, volumes: dict[str, Any], labels: dict[str, str]
) -> Any:
    name = f"{network}-gateway"
    for old in client.containers.list(all=True, filters={"name": f"^/{name}$"}):
        old.remove(force=True)
    return client.containers.run(
        image,
        entrypoint=[python, "-I", "-S", "-c", _SCRIPT % PORT],
        command=[],
        name=name,
        labels=labels,
        network=network,
        user="0:0",
        read_only=True,
        cap_drop=["ALL"],
        # The socket is its owner's alone; root without this capability could not open it.
        cap_add=["DAC_OVERRIDE"],
        security_opt=["no-new-privileges"],
        mem_limit="128m",
        volumes=volumes,
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
        healthcheck={"test": ["NONE"]},
        restart_policy={"Name": "no"},
        detach=True,
    )
