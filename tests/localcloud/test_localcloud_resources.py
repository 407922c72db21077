"""One of every resource type that templates use: made, read, changed and deleted on the local cloud."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from localcloud import schemas
from tests.localcloud.conftest import Cloud, free_port
from tests.localcloud.every_type import VISIBLE, att, front, network, ref, resource, service, storage

#: Read-only properties that these resources would not have on AWS either: no stream, no regional NAT gateway.
ABSENT = {
    ("AWS::DynamoDB::GlobalTable", "StreamArn"), ("AWS::DynamoDB::Table", "StreamArn"),
    ("AWS::EC2::NatGateway", "AutoProvisionZones"),
    ("AWS::EC2::NatGateway", "AutoScalingIps"), ("AWS::EC2::NatGateway", "RouteTableId"),
    ("AWS::EC2::Subnet", "BlockPublicAccessStates"),
}  # fmt: skip


@pytest.fixture(scope="module")
def every(shared_cloud: Cloud) -> Any:
    """The stack with one of everything, and its template."""
    made = shared_cloud.client("route53").create_hosted_zone(Name="example.test", CallerReference="every")
    zone = made["HostedZone"]["Id"].rpartition("/")[2]
    template = {"Resources": {**network(), **storage(), **front(zone, free_port()), **service()}}
    return shared_cloud, template, shared_cloud.deploy("every", template)


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture
def physical(every: Any) -> Callable[[str], str]:
    cloud, _, _ = every

    def find(name: str) -> str:
        found = cloud.client("cloudformation").describe_stack_resource(
            StackName="every", LogicalResourceId=name
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    return find


def test_every_read_only_property_can_be_read(every: Any) -> None:
    cloud, template, stack = every
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.failures("every")
    wanted = {}
    for name, given in template["Resources"].items():
        schema = schemas.schema(given["Type"])
        assert schema is not None
        for path in schema.get("readOnlyProperties", []):
            attribute = path.removeprefix("/properties/")
            if "/" in attribute or (given["Type"], attribute) in ABSENT:
                continue
            many = schema["properties"][attribute].get("type") == "array"
            value = att(name, attribute)
            wanted[f"{name}0{attribute}"] = {
                "Value": {"Fn::Join": [",", value]} if many else {"Fn::Sub": f"${{{name}.{attribute}}}"}
            }
    assert len(wanted) > 60
    changed = copy.deepcopy(template)
    changed["Resources"]["LogGroup"]["Properties"]["RetentionInDays"] = 30
    first, second = dict(list(wanted.items())[:60]), dict(list(wanted.items())[60:])
    for part, days in ((first, 30), (second, 60)):
        changed["Resources"]["LogGroup"]["Properties"]["RetentionInDays"] = days
        read = cloud.deploy("every", {**changed, "Outputs": part}, "UPDATE")
        assert read["StackStatus"] == "UPDATE_COMPLETE", cloud.failures("every")
        empty = {key for key, value in outputs(read).items() if not value}
        assert empty <= {"Endpoint0NetworkInterfaceIds", "Endpoint0DnsEntries"}


def test_properties_arrive_at_the_services(every: Any, physical: Any) -> None:
    cloud, _, _ = every
    dynamodb = cloud.client("dynamodb")
    for table in (physical("Tokens"), physical("Accounts")):
        described = dynamodb.describe_table(TableName=table)["Table"]
        assert described["SSEDescription"]["SSEType"] == "KMS"
        assert ":key/" in described["SSEDescription"]["KMSMasterKeyArn"]
        assert described["OnDemandThroughput"] == {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 5}
        backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
        life = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        assert life == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}

    alarms = cloud.client("cloudwatch").describe_alarms(AlarmNames=[physical("Ratio"), physical("Latency")])
    found = {alarm["AlarmName"]: alarm for alarm in alarms["MetricAlarms"]}
    ratio, latency = found[physical("Ratio")], found[physical("Latency")]
    assert [metric["Id"] for metric in ratio["Metrics"]] == ["ratio", "all", "slow"]
    assert "MetricName" not in ratio
    assert ratio["DatapointsToAlarm"] == 2
    assert (latency["ExtendedStatistic"], latency["EvaluateLowSampleCountPercentile"]) == ("p99", "ignore")

    waf = cloud.client("wafv2")
    name, uid, scope = physical("WebAcl").split("|")
    acl = waf.get_web_acl(Name=name, Id=uid, Scope=scope)["WebACL"]
    sets = waf.list_ip_sets(Scope="REGIONAL")["IPSets"]
    (networks,) = [item["ARN"] for item in sets if item["Id"] in physical("Networks")]
    statement = acl["Rules"][0]["Statement"]["NotStatement"]["Statement"]["IPSetReferenceStatement"]
    assert statement == {"ARN": networks}
    assert acl["CustomResponseBodies"]["no"]["Content"] == "no"
    guarding = waf.get_web_acl_for_resource(ResourceArn=physical("Balancer"))["WebACL"]
    assert guarding["ARN"] == acl["ARN"]
    logging = waf.get_logging_configuration(ResourceArn=acl["ARN"])["LoggingConfiguration"]
    assert logging["LogDestinationConfigs"][0].partition("log-group:")[2].startswith("aws-waf-logs-")

    cluster = cloud.client("ecs").describe_clusters(
        clusters=[physical("Cluster")], include=["CONFIGURATIONS"]
    )
    (described,) = cluster["clusters"]
    assert described["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert described["configuration"]["executeCommandConfiguration"]["logging"] == "OVERRIDE"
    role = cloud.client("iam").get_role(RoleName=physical("Role"))["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == physical("Policy")
    assert physical("BucketPolicy") == physical("Bucket")
    assert physical("Secret").startswith("arn:aws:secretsmanager:")
    assert (
        len(cloud.client("secretsmanager").get_secret_value(SecretId=physical("Secret"))["SecretString"])
        == 32
    )


#: A resource, and what becomes of its properties in one update.
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("Tokens", {"SSESpecification": {"SSEEnabled": False}, "OnDemandThroughput": None,
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}}),
    ("Accounts", {"SSESpecification": {"SSEEnabled": False}, "WriteOnDemandThroughputSettings": None,
                  "Replicas": [{"Region": ref("AWS::Region"), "DeletionProtectionEnabled": True}]}),
    ("LogGroup", {"KmsKeyId": None}),
    ("Identity", {"ClientIdList": ["sts", "other"]}),
    ("Role", {"PermissionsBoundary": None}),
    ("Networks", {"Addresses": ["10.0.0.0/8"]}),
    ("WebAcl", {"DefaultAction": {"Block": {}}, "CustomResponseBodies": None}),
    ("Cluster", {"Configuration": None,
                 "ClusterSettings": [{"Name": "containerInsights", "Value": "enabled"}]}),
    ("Ratio", {"Threshold": 5}),
    ("Latency", {"ExtendedStatistic": "p95"}),
    ("Balancer", {"IpAddressType": "ipv4"}),
    ("Secret", {"Description": "changed"}),
    ("Endpoint", {"SubnetIds": [ref("SubnetB")]}),
    ("Route", {"GatewayId": None, "NatGatewayId": ref("Nat")}),
    ("Ingress", {"Description": "changed"}),
]  # fmt: skip


def test_changes_in_place_keep_what_they_change(every: Any, physical: Any) -> None:
    cloud, template, _ = every
    changed = copy.deepcopy(template)
    for name, properties in CHANGES:
        given = changed["Resources"][name]["Properties"]
        for key, value in properties.items():
            if value is None:
                given.pop(key)
            else:
                given[key] = value
    before = {name: physical(name) for name, _ in CHANGES}
    change_set = cloud.change_set("every", changed, "UPDATE")
    replacement = {
        c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"].get("Replacement")
        for c in change_set["Changes"]
    }
    assert {name: replacement.get(name) for name, _ in CHANGES} == dict.fromkeys(before, "False")
    assert cloud.execute(change_set)["StackStatus"] == "UPDATE_COMPLETE", cloud.failures("every")
    assert {name: physical(name) for name, _ in CHANGES} == before
    for name in ("Tokens", "Accounts"):
        table = cloud.client("dynamodb").describe_table(TableName=before[name])["Table"]
        assert table.get("SSEDescription", {}).get("Status", "DISABLED") == "DISABLED"
        assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}
        assert table["DeletionProtectionEnabled"] is (name == "Accounts")
    cluster = cloud.client("ecs").describe_clusters(clusters=[before["Cluster"]])["clusters"][0]
    assert cluster["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    back = cloud.deploy("every", template, "UPDATE")
    assert back["StackStatus"] == "UPDATE_COMPLETE", cloud.failures("every")


LONG = {"Effect": "Allow", "Action": [f"s3:{number:01000}" for number in range(7)], "Resource": "*"}


@pytest.mark.parametrize(
    ("name", "properties", "reason"),
    [
        ("Networks", {"Addresses": ["0.0.0.0/0"]}, "formatting that is not valid"),
        ("WafLogging", {"LogDestinationConfigs": [att("LogGroup", "Arn")]}, "must begin with aws-waf-logs-"),
        ("Tokens", {"TableClass": "STANDARD_INFREQUENT_ACCESS"}, "have no TableClass"),
        ("Certificate", {"DomainValidationOptions": [{"DomainName": "a.test", "HostedZoneId": "Z0"}]},
         "hosted zone does not exist"),
        ("Policy", {"PolicyDocument": {"Version": "2012-10-17", "Statement": [LONG]}}, "PolicySize: 6144"),
        ("Certificate", {"KeyAlgorithm": "RSA_1024"}, "no certificates with KeyAlgorithm RSA_1024"),
    ],
    ids=["networks", "logging", "class", "zone", "policy", "algorithm"],
)  # fmt: skip
def test_a_refused_change_is_rolled_back(every: Any, name: str, properties: Any, reason: str) -> None:
    cloud, template, _ = every
    changed = copy.deepcopy(template)
    changed["Resources"][name]["Properties"].update(properties)
    assert cloud.deploy("every", changed, "UPDATE")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert any(event[0] == name and reason in event[2] for event in cloud.failures("every"))


def test_what_is_protected_or_not_empty_stays(shared_cloud: Cloud) -> None:
    kept = {
        "Bucket": resource("S3::Bucket"),
        "Tokens": resource(
            "DynamoDB::Table", BillingMode="PAY_PER_REQUEST", DeletionProtectionEnabled=True,
            AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        ),
        "Balancer": resource(
            "ElasticLoadBalancingV2::LoadBalancer",
            LoadBalancerAttributes=[{"Key": "deletion_protection.enabled", "Value": "true"}],
        ),
    }  # fmt: skip
    template = {"Resources": kept, "Outputs": {"Bucket": {"Value": ref("Bucket")}}}
    bucket = outputs(shared_cloud.deploy("protected", template))["Bucket"]
    s3 = shared_cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    assert shared_cloud.delete("protected")["StackStatus"] == "DELETE_FAILED"
    reasons = {event[0]: event[2] for event in shared_cloud.failures("protected")}
    assert "is not empty" in reasons["Bucket"]
    assert "Disable deletion protection first" in reasons["Tokens"]
    assert "deletion protection is enabled" in reasons["Balancer"]


def test_one_of_everything_is_deleted(every: Any, physical: Any) -> None:
    cloud, _, _ = every
    certificate, networks, identity = (physical(name) for name in ("Certificate", "Networks", "Identity"))
    assert cloud.delete("every")["StackStatus"] == "DELETE_COMPLETE", cloud.failures("every")
    names = [
        item["CertificateArn"] for item in cloud.client("acm").list_certificates()["CertificateSummaryList"]
    ]
    assert certificate not in names
    sets = cloud.client("wafv2").list_ip_sets(Scope="REGIONAL")["IPSets"]
    assert networks.split("|")[1] not in [item["Id"] for item in sets]
    providers = cloud.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert identity not in [provider["Arn"] for provider in providers]


def test_another_web_acl_takes_the_place_of_one(shared_cloud: Cloud) -> None:
    acl = {"Scope": "REGIONAL", "DefaultAction": {"Allow": {}}, "VisibilityConfig": VISIBLE, "Rules": []}
    template = {
        "Parameters": {"Chosen": {"Type": "String"}},
        "Conditions": {"IsFirst": {"Fn::Equals": [ref("Chosen"), "first"]}},
        "Resources": {
            "Balancer": resource("ElasticLoadBalancingV2::LoadBalancer"),
            "First": resource("WAFv2::WebACL", **acl), "Second": resource("WAFv2::WebACL", **acl),
            "Guard": resource("WAFv2::WebACLAssociation", ResourceArn=ref("Balancer"),
                              WebACLArn={"Fn::If": ["IsFirst", att("First", "Arn"), att("Second", "Arn")]}),
        },
        "Outputs": {"Balancer": {"Value": ref("Balancer")}},
    }  # fmt: skip
    waf = shared_cloud.client("wafv2")
    guards = []
    for kind, chosen in (("CREATE", "first"), ("UPDATE", "second"), ("UPDATE", "first")):
        made = shared_cloud.deploy("guarded", template, kind, parameters={"Chosen": chosen})
        arn = outputs(made)["Balancer"]
        guards.append(waf.get_web_acl_for_resource(ResourceArn=arn)["WebACL"]["Name"])
    assert ["First" in guard for guard in guards] == [True, False, True]
    assert shared_cloud.delete("guarded")["StackStatus"] == "DELETE_COMPLETE"
