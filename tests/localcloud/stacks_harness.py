"""One environment: the project's templates as stacks of a local cloud, and a caller of its service."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from typing import Any

import yaml

from tests.localcloud.conftest import TEMPLATES, Cloud, free_port


def parameters_of(name: str) -> set[str]:
    """The names of a template's parameters."""
    nodes = yaml.compose((TEMPLATES / f"{name}.yaml").read_text())
    found = {key.value: value for key, value in nodes.value}["Parameters"]
    return {key.value for key, _ in found.value}


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


class Environment:
    """The stacks in their order; outputs of the earlier feed parameters of the later, as the tool does it."""

    def __init__(self, cloud: Cloud, prefix: str = "") -> None:
        self.cloud, self.prefix = cloud, prefix
        #: The outputs of each stack that is there, by its template.
        self.made: dict[str, dict[str, str]] = {}
        #: What each stack was given, and is given again until something else is.
        self.given: dict[str, dict[str, str]] = {
            "data": {"DeletionProtection": "false"},
            "network": {"VpcCidr": "10.0.0.0/16", "Egress": "public"},
            # A service in one file that is ready at once.
            "service": {
                "HttpPort": str(free_port()), "HttpsPort": str(free_port()), "ClientCidr": "127.0.0.0/8",
                "HealthCheckPath": "/", "DeregistrationDelay": "1", "GraceSeconds": "1", "BakeMinutes": "0",
                "MinTasks": "1", "MaxTasks": "2",
            },
        }  # fmt: skip

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs of all stacks."""
        return {key: value for one in self.made.values() for key, value in one.items()}

    def change_set(self, name: str, **parameters: str) -> dict[str, Any]:
        """What would create or update the stack of a template."""
        given = self.given.setdefault(name, {})
        given.update(parameters)
        others = {one: found for one, found in self.made.items() if one != name}
        values = {key: value for one in others.values() for key, value in one.items()} | given
        return self.cloud.change_set(
            self.prefix + name, (TEMPLATES / f"{name}.yaml").read_text(),
            "UPDATE" if name in self.made else "CREATE",
            parameters={key: values[key] for key in parameters_of(name) & values.keys()},
        )  # fmt: skip

    def put(self, name: str, **parameters: str) -> None:
        """Create or update the stack of a template, without a failure on the way."""
        found = self.cloud.execute(self.change_set(name, **parameters))
        kind = "UPDATE" if name in self.made else "CREATE"
        assert found["StackStatus"] == f"{kind}_COMPLETE", self.cloud.failures(self.prefix + name)
        assert self.cloud.failures(self.prefix + name) == []
        self.made[name] = outputs(found)

    def image(self, version: str, **environment: str) -> str:
        """Push an image that answers with `version`; where it is."""
        digest = self.cloud.push(self.outputs["RepositoryName"], version, VERSION=version, **environment)
        return f"{self.outputs['RepositoryUri']}@{digest}"

    def get(self, url: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Ask the service; a domain's HTTPS is verified with the local cloud's authority."""
        scheme, _, rest = url.partition("://")
        host, _, port = rest.partition("/")[0].partition(":")
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
        if scheme == "https":
            authority = json.loads(self.cloud.run("status", "--json").stdout)["authority"]
            context = ssl.create_default_context(cafile=authority)
            plain = socket.create_connection(("127.0.0.1", int(port)), timeout=30)
            connection.sock = context.wrap_socket(plain, server_hostname=host)
        connection.request("GET", "/", headers={"Host": f"{host}:{port}"})
        answer = connection.getresponse()
        found = answer.status, answer.read(), answer.headers
        connection.close()
        return found
