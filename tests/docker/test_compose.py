"""The compose file and the image agree."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_compose_is_hardened_and_agrees_with_the_image() -> None:
    service = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["echo"]
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    port = re.search(r"^EXPOSE (\d+)$", dockerfile, re.M)[1]
    assert service["ports"] == [f"127.0.0.1:${{PORT:-8088}}:{port}"], "loopback only"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    folder = service["volumes"][0].split(":")[1]
    assert service["environment"]["ECHO_SQLITE_PATH"].startswith(f"{folder}/")
    assert f"{folder} {folder}" in dockerfile, "the image has the folder, owned by its user"
