"""An HTTPS target, a stack with an HTTPS listener in front of it, and a caller that knows its domain."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.localcloud.conftest import Cloud

DOMAIN = "echo.example.test"
HSTS = "max-age=31536000; includeSubDomains"


class Target(BaseHTTPRequestHandler):
    """Says what it was sent; `/socket` upgrades and answers in capitals."""

    protocol_version = "HTTP/1.1"
    server_version = "target"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Connection", "upgrade")
            self.send_header("Upgrade", "websocket")
            self.end_headers()
            self.wfile.write(self.rfile.read(5).upper())
            self.close_connection = True
            return
        body = json.dumps({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Strict-Transport-Security", "max-age=1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def template(http: int, https: int, **properties: Any) -> dict[str, Any]:
    """A balancer whose HTTP listener redirects to its HTTPS listener, which forwards by a rule only."""
    listener = {"Ref": "HttpsListener"}
    group = {"TargetGroups": [{"TargetGroupArn": {"Ref": "Group"}, "Weight": 1}]}
    return {
        "Parameters": {"Path": {"Type": "String", "Default": "/*"}},
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
            "Balancer": {"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer", "Properties": {}},
            "Certificate": {
                "Type": "AWS::CertificateManager::Certificate",
                "Properties": {"DomainName": DOMAIN, "ValidationMethod": "DNS"},
            },
            "Group": {
                "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
                "Properties": {
                    "VpcId": {"Ref": "Vpc"}, "Port": 8443, "Protocol": "HTTPS", "TargetType": "ip",
                    "HealthCheckProtocol": "HTTPS", "HealthCheckPath": "/ready",
                    "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2,
                },
            },
            "HttpListener": {
                "Type": "AWS::ElasticLoadBalancingV2::Listener",
                "Properties": {
                    "LoadBalancerArn": {"Ref": "Balancer"}, "Port": http, "Protocol": "HTTP",
                    "DefaultActions": [{
                        "Type": "redirect",
                        "RedirectConfig": {"Protocol": "HTTPS", "Port": str(https), "StatusCode": "HTTP_301"},
                    }],
                },
            },
            "HttpsListener": {
                "Type": "AWS::ElasticLoadBalancingV2::Listener",
                "Properties": {
                    "LoadBalancerArn": {"Ref": "Balancer"}, "Port": https, "Protocol": "HTTPS",
                    "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
                    "Certificates": [{"CertificateArn": {"Ref": "Certificate"}}],
                    "ListenerAttributes": [
                        {"Key": "routing.http.response.server.enabled", "Value": "false"},
                        {"Key": "routing.http.response.strict_transport_security.header_value",
                         "Value": HSTS},
                    ],
                    "DefaultActions": [{
                        "Type": "fixed-response",
                        "FixedResponseConfig": {
                            "StatusCode": "404", "ContentType": "application/json", "MessageBody": "{}",
                        },
                    }],
                    **properties,
                },
            },
            "Rule": {
                "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
                "Properties": {
                    "ListenerArn": listener, "Priority": 10,
                    "Conditions": [{"Field": "path-pattern",
                                    "PathPatternConfig": {"Values": [{"Ref": "Path"}]}}],
                    "Actions": [{"Type": "forward", "ForwardConfig": group}],
                },
            },
        },
        "Outputs": {
            "Group": {"Value": {"Ref": "Group"}}, "Certificate": {"Value": {"Ref": "Certificate"}},
            "Rule": {"Value": {"Ref": "Rule"}}, "Listener": {"Value": listener},
        },
    }  # fmt: skip


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


class Caller:
    """Calls a domain that exists only here, trusting only this local cloud's authority."""

    def __init__(self, cloud: Cloud, port: int) -> None:
        self.port = port
        authority = json.loads(cloud.run("status", "--json").stdout)["authority"]
        self.context = ssl.create_default_context(cafile=authority)

    def connect(self, name: str = DOMAIN) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.context.wrap_socket(plain, server_hostname=name)

    def get(self, path: str, name: str = DOMAIN) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(name, self.port)
        connection.sock = self.connect(name)
        connection.request("GET", path)
        answer = connection.getresponse()
        found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        connection.close()
        return found
