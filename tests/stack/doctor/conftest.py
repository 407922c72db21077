"""An environment that runs on Fargate with a name, as a real one, and what answers about it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from stack.aws.clients import Cloud
from stack.doctor.finding import Finding, Subject
from stack.files import environment
from stack.scan.templates import resolved

FARGATE = """
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Address: {Type: AWS::EC2::EIP}
  Second: {Type: AWS::EC2::EIP}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: application}}
  Definition: {Type: AWS::ECS::TaskDefinition, Properties: {Cpu: "512", Memory: "1024"}}
  Service:
    Type: AWS::ECS::Service
    Properties:
      TaskDefinition: !Ref Definition
      DeploymentConfiguration: {MaximumPercent: 200}
      CapacityProviderStrategy:
        - {CapacityProvider: FARGATE, Base: 2, Weight: 1}
        - {CapacityProvider: FARGATE_SPOT, Weight: 1}
  Target:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties: {MaxCapacity: 5, MinCapacity: 2, ResourceId: !Sub "service/c/${Service.Name}"}
"""
NAMES = """
  DomainName: {Type: String, Default: none}
  HostedZoneId: {Type: String, Default: none}
  CertificateArn: {Type: String, Default: none}
  ExecuteCommand: {Type: String, Default: "off"}
"""


@pytest.fixture
def real(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project whose environment is on AWS: no endpoint, credentials that no test lets reach anything."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    text = project.file.read_text()
    start, end = text.index("[endpoint]"), text.index("[token]")
    project.file.write_text(text[:start] + text[end:])
    project.edit("service", "Parameters:\n", f"Parameters:{NAMES}")
    project.edit("service", "Resources:\n", f"Resources:{FARGATE}")
    return project


@pytest.fixture
def subject(real: Any) -> Callable[..., Subject]:
    def make(arn: str = "arn:aws:iam::1:user/me", **settings: str) -> Subject:
        """`settings` are parameters of the stack `service`."""
        if settings:
            lines = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
            real.append(f"[parameters.service]\n{lines}")
        found = environment.load(real.root, real.env)
        return Subject(Cloud(found), resolved(found), dict.fromkeys(found.stacks), "1", arn)

    return make


def one(findings: Any, check: str) -> Finding:
    (found,) = [finding for finding in findings if finding.check == check]
    return found


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[tuple[str, str], list[str]]]:
    """A name server on loopback, and the records that it has: by name and type. It is the only one asked."""
    records: dict[tuple[str, str], list[str]] = {}

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            query = dns.message.from_wire(data)
            asked = query.question[0]
            name, kind = str(asked.name).rstrip("."), dns.rdatatype.to_text(asked.rdtype)
            answer = dns.message.make_response(query)
            if not any(known == name for known, _ in records):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            for value in records.get((name, kind), []):
                answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, value))
            sock.sendto(answer.to_wire(), self.client_address)

    server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = server.server_address[1]
    monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
    yield records
    server.shutdown()
    server.server_close()
