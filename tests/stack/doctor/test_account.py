"""Who asks, from where, with which quotas, roles and permissions."""

from __future__ import annotations

import http.server
import threading
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.doctor import account, limits, permissions, run
from stack.files import environment
from tests.stack.doctor.conftest import one
from tests.stack.services import NOW, STACK, resources, stubbed


def cloud_of(project: Any) -> Cloud:
    return Cloud(environment.load(project.root, project.env))


def test_who_asks_is_named_with_account_and_source(real):
    cloud = cloud_of(real)
    identity = {"UserId": "A", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"}
    with stubbed(cloud, "sts") as sts:
        sts.add_response("get_caller_identity", identity)
        found, number, arn = account.who(cloud)
    assert found.state == "ok"
    assert "account 123456789012 as arn:aws:iam::123456789012:user/me (from env)" in found.saw
    assert (number, arn, found.next) == ("123456789012", identity["Arn"], "")
    with stubbed(cloud, "sts") as sts:
        sts.add_response("get_caller_identity", {**identity, "Arn": "arn:aws:iam::123456789012:root"})
        assert "root user" in account.who(cloud)[0].next


def test_expired_and_absent_credentials_are_problems(real, monkeypatch):
    cloud = cloud_of(real)
    with stubbed(cloud, "sts") as sts:
        sts.add_client_error("get_caller_identity", "ExpiredToken", "The security token is expired")
        found, _, arn = account.who(cloud)
    assert (found.state, arn) == ("problem", "")
    assert "The security token is expired" in found.saw
    assert "aws sso login" in found.next
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    found, _, _ = account.who(cloud_of(real))
    assert found.state == "problem"
    assert str(NoCredentialsError()) in found.saw


def test_a_clock_that_is_wrong_is_told_apart_from_credentials_that_are(real, monkeypatch):
    class Late(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = b"<ErrorResponse><Error><Code>MissingAuthenticationToken</Code></Error></ErrorResponse>"
            self.send_response_only(403)
            self.send_header("Date", "Sun, 01 Nov 2026 12:00:00 GMT")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.rfile.read(int(self.headers["Content-Length"]))
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Late)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    found = []
    try:
        for seconds in (0, 10, 3600, -3600):
            moment = NOW + timedelta(seconds=seconds)

            class Clock(type(NOW)):
                @classmethod
                def now(cls, _: Any = None, moment: Any = moment) -> Any:
                    return moment

            monkeypatch.setattr(account, "datetime", Clock)
            found.append(list(account.way(cloud_of(real))))
    finally:
        server.shutdown()
        server.server_close()
    assert [one(each, "endpoint").state for each in found] == ["ok"] * 4
    assert [one(each, "clock").state for each in found] == ["ok", "ok", "problem", "problem"]
    assert "3600 s ahead of the endpoint's" in one(found[2], "clock").saw
    assert "3600 s behind the endpoint's" in one(found[3], "clock").saw


@pytest.mark.parametrize(
    ("status", "state", "next_"),
    [
        ("opt-in-not-required", "ok", ""),
        ("opted-in", "ok", ""),
        ("not-opted-in", "problem", "aws account enable-region --region-name us-east-1"),
    ],
)
def test_a_region_has_to_be_enabled(subject, status, state, next_):
    found = subject()
    with stubbed(found.cloud, "ec2") as ec2:
        ec2.add_response(
            "describe_regions",
            {"Regions": [{"RegionName": "us-east-1", "OptInStatus": status}]},
            {"RegionNames": ["us-east-1"], "AllRegions": True},
        )
        (seen,) = account.region(found)
    assert (seen.state, seen.next) == (state, next_)


def test_a_region_that_is_none_is_a_problem_before_anything_is_asked(real):
    real.file.write_text(real.file.read_text().replace('"us-east-1"', '"eu-centrl-1"'))
    done = real.do("doctor")
    assert done.exit_code == 1, done.output
    assert 'problem     region: "eu-centrl-1" is no region' in done.stdout
    assert 'did you mean "eu-central-1"?' in done.stdout


QUOTA = {
    "UsageMetric": {
        "MetricNamespace": "AWS/Usage",
        "MetricName": "ResourceCount",
        "MetricDimensions": {"Service": "Fargate"},
        "MetricStatisticRecommendation": "Maximum",
    }
}


def vcpus(found: Any, allowed: float, used: float | None) -> Any:
    points = [] if used is None else [{"Timestamp": NOW, "Maximum": used, "Unit": "None"}]
    older = [{"Timestamp": NOW - timedelta(minutes=5), "Maximum": 99.0, "Unit": "None"}] if points else []
    with stubbed(found.cloud, "service-quotas") as quotas, stubbed(found.cloud, "cloudwatch") as cloudwatch:
        quotas.add_response(
            "get_service_quota",
            {"Quota": {"Value": allowed, **QUOTA}},
            {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"},
        )
        cloudwatch.add_response("get_metric_statistics", {"Datapoints": [*older, *points]})
        (seen,) = limits.vcpus(found)
    return seen


def test_all_tasks_on_demand_and_a_deployment_have_to_fit(subject):
    # Five tasks of half a vCPU, ten in a deployment: on demand are two, and half of the other eight.
    found = subject()
    assert vcpus(found, 6, None).state == "ok"
    seen = vcpus(found, 6, 3.5)
    assert seen.state == "problem"
    assert "needs up to 3 " in seen.saw
    assert "others use 3.5, 6 are allowed" in seen.saw
    assert "--service-code fargate --quota-code L-3032A538 --desired-value 6.5" in seen.next


def counted(found: Any, vpcs: int, addresses: int, quota: float = 5) -> dict[str, Any]:
    with (
        stubbed(found.cloud, "service-quotas") as quotas,
        stubbed(found.cloud, "ec2") as ec2,
        stubbed(found.cloud, "elbv2") as elbv2,
    ):
        for code in ("L-F678F1CE", "L-0263D0A3", "L-53DA6B97"):
            quotas.add_client_error("get_service_quota", "NoSuchResourceException")
            default = {"Quota": {"Value": quota, "QuotaCode": code}}
            quotas.add_response("get_aws_default_service_quota", default)
        # Two pages.
        ec2.add_response("describe_vpcs", {"Vpcs": [{"VpcId": "v"}], "NextToken": "2"})
        ec2.add_response("describe_vpcs", {"Vpcs": [{"VpcId": str(one)} for one in range(vpcs - 1)]})
        ec2.add_response("describe_addresses", {"Addresses": [{"AllocationId": "a"}] * addresses})
        network = [{"Type": "network"}] * 50
        elbv2.add_response("describe_load_balancers", {"LoadBalancers": [{"Type": "application"}, *network]})
        return {one.check.removeprefix("quota: "): one for one in limits.counted(found)}


def test_there_has_to_be_room_for_what_is_missing(subject):
    found = counted(subject(), vpcs=4, addresses=3)
    assert {one.state for one in found.values()} == {"ok"}
    found = counted(subject(), vpcs=5, addresses=4)
    assert found["VPCs"].state == found["Elastic IP addresses"].state == "problem"
    assert found["load balancers"].state == "ok", "network load balancers have a quota of their own"
    assert "4 of 5 are used" in found["Elastic IP addresses"].saw
    assert "needs 2 more" in found["Elastic IP addresses"].saw
    assert (
        "--service-code ec2 --quota-code L-0263D0A3 --desired-value 6" in found["Elastic IP addresses"].next
    )


def test_what_the_environment_has_already_needs_no_room(subject):
    found = subject()
    found = type(found)(found.cloud, found.templates, {"service": STACK}, "1", found.arn)
    own = resources(
        ("Vpc", "AWS::EC2::VPC", "v"),
        ("Address", "AWS::EC2::EIP", "a"),
        ("Second", "AWS::EC2::EIP", "b"),
        ("Balancer", "AWS::ElasticLoadBalancingV2::LoadBalancer", "l"),
    )
    with stubbed(found.cloud, "cloudformation") as cloudformation:
        for _ in range(3):
            cloudformation.add_response("list_stack_resources", own)
        assert {one.state for one in limits.counted(found)} == {"ok"}


def test_each_missing_linked_role_comes_with_the_command_that_makes_it(subject):
    found = subject()
    with stubbed(found.cloud, "iam") as iam:
        for _ in range(3):
            iam.add_client_error("get_role", "NoSuchEntity")
        seen = list(limits.linked_roles(found))
    assert [one.state for one in seen] == ["problem"] * 3
    assert [one.next.rpartition(" ")[2] for one in seen] == [
        "ecs.amazonaws.com",
        "elasticloadbalancing.amazonaws.com",
        "ecs.application-autoscaling.amazonaws.com",
    ]
    assert all(one.next.startswith("aws iam create-service-linked-role --aws-service-name ") for one in seen)


def simulate(found: Any, denied: dict[str, dict[str, Any]]) -> Any:
    role = {
        "Path": "/",
        "RoleName": "Ops",
        "RoleId": "AROA0000000000000",
        "Arn": "arn:aws:iam::1:role/team/Ops",
        "CreateDate": NOW,
    }
    asked: list[dict[str, Any]] = []

    def answer(params: dict[str, Any], **_: Any) -> None:
        asked.append(params)

    with stubbed(found.cloud, "iam") as iam:
        client = found.cloud.cached("iam")
        client.meta.events.register("provide-client-params.iam.SimulatePrincipalPolicy", answer)
        iam.add_response("get_role", {"Role": role}, {"RoleName": "Ops"})
        questions = [*permissions._questions(found), *permissions.by_others(found).values()]
        for question in questions:
            results = [
                {
                    "EvalActionName": action,
                    "EvalDecision": "allowed",
                    **denied.get(action, {}),
                }
                for action in question.actions
            ]
            # Two pages.
            first = {"EvaluationResults": results[:1], "IsTruncated": True, "Marker": "m"}
            iam.add_response("simulate_principal_policy", first)
            iam.add_response("simulate_principal_policy", {"EvaluationResults": results[1:]})
        (seen,) = permissions.check(found)
        iam.assert_no_pending_responses()
    return seen, asked


ASSUMED = "arn:aws:sts::1:assumed-role/Ops/session"
NO = {"EvalDecision": "implicitDeny"}


def test_permissions_are_asked_for_by_the_role_with_its_path_and_the_environments_stacks(subject):
    seen, asked = simulate(subject(ASSUMED), {})
    assert seen.state == "ok"
    assert {one["PolicySourceArn"] for one in asked} == {"arn:aws:iam::1:role/team/Ops"}
    assert all(":stack/echo-room-t" in arn for arn in asked[0]["ResourceArns"])
    assert len(asked[0]["ResourceArns"]) == 3


def test_what_is_denied_is_named_unless_its_conditions_are_not_known(subject):
    action = "cloudformation:CreateChangeSet"
    seen, _ = simulate(subject(ASSUMED), {action: NO})
    assert (seen.state, seen.saw) == ("problem", f"not allowed: {action}")
    seen, _ = simulate(subject(ASSUMED), {action: {**NO, "MissingContextValues": ["aws:SourceIp"]}})
    assert seen.state == "ok"
    seen, _ = simulate(subject(ASSUMED), {"cloudformation:DeleteStack": NO})
    assert seen.state == "ok"
    assert "but not cloudformation:DeleteStack" in seen.saw
    seen, asked = simulate(subject(ASSUMED), {"dynamodb:RestoreTableToPointInTime": NO})
    assert seen.state == "ok"
    assert "but not dynamodb:RestoreTableToPointInTime: somebody else restores the table" in seen.saw
    (live, restored) = asked[-1]["ResourceArns"]
    assert live.endswith("-data-Table-0")
    assert restored == f"{live}-at-0"


def test_a_role_for_cloudformation_has_to_be_handed_over(subject, real):
    real.file.write_text(f'role = "arn:aws:iam::123456789012:role/cfn"\n{real.file.read_text()}')
    seen, asked = simulate(subject(ASSUMED), {"iam:PassRole": NO})
    assert seen.saw == "not allowed: iam:PassRole"
    entries = {one["ContextKeyName"]: one["ContextKeyValues"] for one in asked[0]["ContextEntries"]}
    assert entries["cloudformation:RoleArn"] == ["arn:aws:iam::123456789012:role/cfn"]


def test_who_may_not_ask_the_simulator_does_not_know(subject):
    found = subject()
    with stubbed(found.cloud, "iam") as iam:
        iam.add_client_error("simulate_principal_policy", "AccessDenied", "no")
        (seen,) = run._asked(found, "permissions", permissions.check)
    assert seen.state == "not known"
    assert "may not call SimulatePrincipalPolicy" in seen.saw
    (seen,) = permissions.check(subject("arn:aws:iam::1:root"))
    assert seen.state == "not known"


def test_stacks_that_exist_are_asked_about_by_their_own_ids(subject):
    found = subject()
    stack = Stack("s", "arn:aws:cloudformation:us-east-1:1:stack/s/i", "", "", NOW, None, {}, {}, {})
    found = type(found)(found.cloud, found.templates, {"data": stack}, "1", found.arn)
    assert list(permissions._stacks(found)) == [stack.id]
