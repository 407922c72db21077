"""HTTPS listeners of a started local cloud, made by stacks and called over real TLS."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.authority import Authority
from tests.localcloud.balancer.balancer_harness import balanced, echo_head, run, talk
from tests.localcloud.balancer.https_harness import DOMAIN, HSTS, Caller, Target, outputs, template
from tests.localcloud.conftest import Cloud, free_port

STICKY = {"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}, "TargetGroups": []}


REWRITE = {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "a", "Replace": "b"}]}}


def target_context(directory: Path) -> ssl.SSLContext:
    """What an HTTPS target presents: a certificate that nobody vouches for, for another name."""
    authority = Authority(directory / "authority")
    authority.create()
    leaf = authority.issue(["task.invalid"], "EC_prime256v1")
    pem = directory / "leaf.pem"
    pem.write_text(leaf.private_key + leaf.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def secure_target(tmp_path: Path) -> Iterator[int]:
    """An HTTPS server; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    server.socket = target_context(tmp_path).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def deployed(shared_cloud: Cloud, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Deploys the template under the test's name; the outputs and a caller."""

    def deploy(kind: str = "CREATE", parameters: Any = None, ports: Any = None, **properties: Any) -> Any:
        http_port, https = ports or (free_port(), free_port())
        made = shared_cloud.deploy(
            request.node.name.replace("_", "-"), template(http_port, https, **properties), kind,
            parameters=parameters or {},
        )  # fmt: skip
        assert made["StackStatus"] == f"{kind}_COMPLETE", shared_cloud.failures(made["StackId"])
        return outputs(made), Caller(shared_cloud, https), (http_port, https)

    return deploy


def test_redirect_tls_targets_headers_and_rules(
    deployed: Any, shared_cloud: Cloud, secure_target: int, until: Any
) -> None:
    made, caller, ports = deployed()
    elb = shared_cloud.client("elbv2")
    target = {"Id": "127.0.0.1", "Port": secure_target}
    elb.register_targets(TargetGroupArn=made["Group"], Targets=[target])

    def health() -> Any:
        return elb.describe_target_health(TargetGroupArn=made["Group"])["TargetHealthDescriptions"]

    until(lambda: health()[0]["TargetHealth"]["State"] == "healthy")

    plain = http.client.HTTPConnection("127.0.0.1", ports[0])
    plain.request("GET", "/a?b=1", headers={"Host": DOMAIN})
    redirect = plain.getresponse()
    assert redirect.status == 301
    assert redirect.headers["Location"] == f"https://{DOMAIN}:{ports[1]}/a?b=1"

    status, headers, body = caller.get("/a?b=1")
    assert status == 200
    seen = json.loads(body)
    assert seen["path"] == "/a?b=1"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-port"] == str(ports[1])
    assert headers["strict-transport-security"] == HSTS
    assert "server" not in headers

    # The rule no longer matches: the default action is the one answer left.
    deployed("UPDATE", {"Path": "/v1/*"}, ports)
    assert caller.get("/v1/a")[0] == 200
    status, headers, body = caller.get("/V1/a")
    assert (status, body, headers["content-type"]) == (404, b"{}", "application/json")
    assert headers["strict-transport-security"] == HSTS
    assert "server" not in headers


def test_a_websocket_over_tls_to_a_tls_target(
    deployed: Any, shared_cloud: Cloud, secure_target: int, until: Any
) -> None:
    made, caller, _ = deployed()
    elb = shared_cloud.client("elbv2")
    elb.register_targets(TargetGroupArn=made["Group"], Targets=[{"Id": "127.0.0.1", "Port": secure_target}])
    until(lambda: caller.get("/")[0] == 200)
    with caller.connect() as connection:
        connection.sendall(
            b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"
        )
        answer = b""
        while piece := connection.recv(1000):
            answer += piece
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert rest == b"HELLO"


def test_certificates_are_what_acm_says_and_chosen_by_name(deployed: Any, shared_cloud: Cloud) -> None:
    made, caller, ports = deployed()
    acm = shared_cloud.client("acm")
    with caller.connect() as connection:
        assert connection.version() == "TLSv1.3"
        served = ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")
    assert served == acm.get_certificate(CertificateArn=made["Certificate"])["Certificate"]
    described = acm.describe_certificate(CertificateArn=made["Certificate"])["Certificate"]
    assert (described["Status"], described["DomainName"]) == ("ISSUED", DOMAIN)
    with pytest.raises(ssl.SSLCertVerificationError):
        caller.connect("other.example.test")

    other = acm.request_certificate(DomainName="*.example.test", KeyAlgorithm="EC_prime256v1")
    more = template(*ports)
    more["Resources"]["More"] = {
        "Type": "AWS::ElasticLoadBalancingV2::ListenerCertificate",
        "Properties": {
            "ListenerArn": {"Ref": "HttpsListener"},
            "Certificates": [{"CertificateArn": other["CertificateArn"]}],
        },
    }
    stack = "test-certificates-are-what-acm-says-and-chosen-by-name"
    assert shared_cloud.deploy(stack, more, "UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    assert caller.get("/", "other.example.test")[0] == 503
    deployed("UPDATE", None, ports)
    with pytest.raises(ssl.SSLCertVerificationError):
        caller.connect("other.example.test")
    acm.delete_certificate(CertificateArn=other["CertificateArn"])


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_tls_1_1_is_not_spoken_and_keys_are_private(deployed: Any, shared_cloud: Cloud) -> None:
    _, caller, _ = deployed()
    caller.context.minimum_version = ssl.TLSVersion.TLSv1
    caller.context.maximum_version = ssl.TLSVersion.TLSv1_1
    caller.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        caller.connect()
    certificates = shared_cloud.state_dir / "certificates"
    keys = [path for path in certificates.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert len(keys) >= 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert stat.S_IMODE(certificates.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"Certificates": []}, "certificate must be specified"),
        ({"Certificates": [{"CertificateArn": "arn:aws:acm:us-east-1:1:certificate/none"}]}, "is not valid"),
        ({"MutualAuthentication": {"Mode": "verify"}}, "does not ask clients for certificates"),
        ({"DefaultActions": [{"Type": "jwt-validation"}]}, "no jwt-validation actions"),
        ({"DefaultActions": [{"Type": "forward", "ForwardConfig": STICKY}]}, "has no stickiness"),
        ({"DefaultActions": [{"Type": "forward", "TargetGroupArn": "arn:none"}]}, "'arn:none' not found"),
    ],
    ids=["none", "unknown", "mutual", "jwt", "sticky", "group"],
)
def test_what_cannot_work_fails_the_stack(
    shared_cloud: Cloud, request: pytest.FixtureRequest, properties: Any, reason: str
) -> None:
    name = request.node.callspec.id + "-refused"
    made = shared_cloud.deploy(name, template(free_port(), free_port(), **properties))
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert [event[0] for event in shared_cloud.failures(name) if reason in event[2]] == ["HttpsListener"]


@pytest.mark.parametrize(
    ("resource", "properties", "reason"),
    [
        ("Balancer", {"Type": "network"}, "application load balancers only"),
        ("Group", {"ProtocolVersion": "HTTP2"}, "speaks HTTP/1.1"),
        ("Group", {"Protocol": "TCP"}, "speaks HTTP/1.1"),
        ("Group", {"TargetGroupAttributes": [{"Key": "stickiness.enabled", "Value": "true"}]},
         "no stickiness"),
        ("Rule", {"Transforms": [REWRITE]}, "no transforms"),
        ("Rule", {"Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/a"]}}]},
         "not with RegexValues"),
    ],
    ids=["network", "http2", "tcp", "sticky", "transform", "regex"],
)  # fmt: skip
def test_what_the_balancer_lacks_is_refused(
    shared_cloud: Cloud, request: pytest.FixtureRequest, resource: str, properties: Any, reason: str
) -> None:
    name = f"lacks-{request.node.callspec.id}"
    lacking = template(free_port(), free_port())
    lacking["Resources"][resource]["Properties"].update(properties)
    assert shared_cloud.deploy(name, lacking)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert [event[0] for event in shared_cloud.failures(name) if reason in event[2]] == [resource]


def test_a_taken_port_fails_an_update_too_and_http_becomes_https_on_the_same_port(
    deployed: Any, shared_cloud: Cloud, request: pytest.FixtureRequest
) -> None:
    _, caller, ports = deployed()
    stack = request.node.name.replace("_", "-")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        refused = shared_cloud.deploy("taken", template(free_port(), taken.getsockname()[1]))
        assert refused["StackStatus"] == "ROLLBACK_COMPLETE"
        assert any("is already in use" in event[2] for event in shared_cloud.failures("taken"))
        changed = shared_cloud.deploy(stack, template(ports[0], taken.getsockname()[1]), "UPDATE")
        assert changed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert any("is already in use" in event[2] for event in shared_cloud.failures(stack))
    assert caller.get("/")[0] == 503
    swapped = deployed("UPDATE", None, ports, Protocol="HTTP", Certificates=[], SslPolicy="")
    plain = http.client.HTTPConnection("127.0.0.1", ports[1])
    plain.request("GET", "/")
    assert plain.getresponse().status == 503
    deployed("UPDATE", None, ports)
    assert swapped[1].get("/")[0] == 503


def test_a_second_rule_of_the_same_priority_and_a_certificate_in_use(
    deployed: Any, shared_cloud: Cloud
) -> None:
    made, _, ports = deployed()
    more = template(*ports)
    more["Resources"]["Again"] = more["Resources"]["Rule"]
    stack = "test-a-second-rule-of-the-same-priority-and-a-certificate-in-use"
    assert shared_cloud.deploy(stack, more, "UPDATE")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert any("Priority '10' is currently in use" in event[2] for event in shared_cloud.failures(stack))
    elb = shared_cloud.client("elbv2")
    rule = elb.describe_rules(RuleArns=[made["Rule"]])["Rules"][0]
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/*"]
    group = elb.describe_target_groups(TargetGroupArns=[made["Group"]])["TargetGroups"][0]
    assert len(group["LoadBalancerArns"]) == 1
    assert shared_cloud.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ClientError):
        shared_cloud.client("acm").describe_certificate(CertificateArn=made["Certificate"])


def test_the_same_certificate_is_served_after_a_restart(own_cloud: Cloud) -> None:
    own_cloud.run("up")
    https = free_port()
    own_cloud.deploy("kept", template(free_port(), https))

    def served() -> bytes | None:
        with Caller(own_cloud, https).connect() as connection:
            return connection.getpeercert(binary_form=True)

    before = served()
    own_cloud.run("down")
    started = own_cloud.run("up")
    assert str(own_cloud.state_dir / "certificates" / "authority.pem") in started.stdout
    assert served() == before


def test_an_imported_certificate_is_served_also_after_a_restart(own_cloud: Cloud, tmp_path: Path) -> None:
    own_cloud.run("up")
    other = Authority(tmp_path / "other")
    other.create()
    leaf = other.issue(["bought.example.test"], "RSA_2048")
    imported = own_cloud.client("acm").import_certificate(
        Certificate=leaf.certificate.encode(), PrivateKey=leaf.private_key.encode()
    )
    https = free_port()
    certificates = [{"CertificateArn": imported["CertificateArn"]}]
    own_cloud.deploy("bought", template(free_port(), https, Certificates=certificates))
    caller = Caller(own_cloud, https)
    caller.context = ssl.create_default_context(cafile=other.certificate)
    assert caller.get("/", "bought.example.test")[0] == 503
    own_cloud.run("down")
    assert b"PRIVATE KEY" not in (own_cloud.state_dir / "emulator" / "acm.json").read_bytes()
    own_cloud.run("up")
    assert caller.get("/", "bought.example.test")[0] == 503


def test_who_does_not_speak_tls_is_let_go_without_noise(deployed: Any, shared_cloud: Cloud) -> None:
    _, caller, _ = deployed()
    log = shared_cloud.state_dir / "localcloud.log"
    before = log.stat().st_size
    with socket.create_connection(("127.0.0.1", caller.port), timeout=30) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert not plain.recv(1000).startswith(b"HTTP/")
    distrusting = ssl.create_default_context()
    plain = socket.create_connection(("127.0.0.1", caller.port), timeout=30)
    with plain, pytest.raises(ssl.SSLCertVerificationError):
        distrusting.wrap_socket(plain, server_hostname=DOMAIN)
    assert caller.get("/")[0] == 503
    assert b"Traceback" not in log.read_bytes()[before:]


def test_connections_to_tls_targets_are_used_again(tmp_path: Path) -> None:
    connections = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await echo_head(reader, writer)

    async def case() -> None:
        async with balanced(counted, Protocol="HTTPS", context=target_context(tmp_path)) as (port, _):
            for _ in range(5):
                answer = await talk(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 200 ")
        assert connections == 1

    run(case)
