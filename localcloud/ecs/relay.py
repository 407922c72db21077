"""The one way out of the containers' network: a relay to the gateway's Unix socket.

It runs from the task's own image, with the Python in it, since no other image can be counted on.
"""

from __future__ import annotations

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
    labels = {LABEL: cloud_id}
    if not client.networks.list(names=[f"^{network}$"]):
        client.networks.create(network, driver="bridge", internal=True, labels=labels)
    name = f"{network}-gateway"
    for old in client.containers.list(all=True, filters={"name": f"^/{name}$"}):
        old.remove(force=True)
    relay = client.containers.run(
        image,
        entrypoint=["python3", "-c", _SCRIPT % PORT],
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
        volumes={str(state): {"bind": "/gateway", "mode": "ro"}},
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
        healthcheck={"test": ["NONE"]},
        restart_policy={"Name": "no"},
        detach=True,
    )
    relay.reload()
    address = relay.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]
    if not address:
        raise OSError(f"the relay ended at once: {relay.logs().decode(errors='replace')[-300:]}")
    return relay, str(address)
