"""Templates with one resource of every type that the project's templates use."""

from __future__ import annotations

import json
from typing import Any

NOBODY = {"Version": "2012-10-17", "Statement": []}
VISIBLE = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "m"}


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def resource(kind: str, depends_on: str = "", **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"Type": f"AWS::{kind}", "Properties": properties}
    return {**found, "DependsOn": depends_on} if depends_on else found


def network() -> dict[str, Any]:
    six = {"Fn::Cidr": [{"Fn::Select": [0, att("Vpc", "Ipv6CidrBlocks")]}, 4, 64]}
    everywhere = {"RouteTableId": ref("Table"), "DestinationCidrBlock": "0.0.0.0/0"}
    return {
        "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
        "Block": resource("EC2::VPCCidrBlock", VpcId=ref("Vpc"), AmazonProvidedIpv6CidrBlock=True),
        "SubnetA": resource("EC2::Subnet", "Block", VpcId=ref("Vpc"), CidrBlock="10.0.0.0/24",
                            Ipv6CidrBlock={"Fn::Select": [0, six]}),
        "SubnetB": resource("EC2::Subnet", "Block", VpcId=ref("Vpc"), CidrBlock="10.0.1.0/24",
                            Ipv6CidrBlock={"Fn::Select": [1, six]}, AvailabilityZone="us-east-1b"),
        "Gateway": resource("EC2::InternetGateway"),
        "Attachment": resource("EC2::VPCGatewayAttachment", VpcId=ref("Vpc"),
                               InternetGatewayId=ref("Gateway")),
        "EgressOnly": resource("EC2::EgressOnlyInternetGateway", VpcId=ref("Vpc")),
        "Table": resource("EC2::RouteTable", VpcId=ref("Vpc")),
        "Route": resource("EC2::Route", **everywhere, GatewayId=ref("Gateway")),
        "Association": resource("EC2::SubnetRouteTableAssociation", RouteTableId=ref("Table"),
                                SubnetId=ref("SubnetA")),
        "Address": resource("EC2::EIP", Domain="vpc"),
        "Nat": resource("EC2::NatGateway", SubnetId=ref("SubnetA"),
                        AllocationId=att("Address", "AllocationId")),
        "Group": resource("EC2::SecurityGroup", GroupDescription="g", VpcId=ref("Vpc")),
        "Ingress": resource("EC2::SecurityGroupIngress", GroupId=ref("Group"), IpProtocol="tcp", FromPort=1,
                            ToPort=2, CidrIp="10.0.0.0/8"),
        "Egress": resource("EC2::SecurityGroupEgress", GroupId=ref("Group"), IpProtocol="tcp", FromPort=1,
                           ToPort=2, CidrIp="10.0.0.0/8"),
        "Endpoint": resource("EC2::VPCEndpoint", VpcId=ref("Vpc"), VpcEndpointType="Interface",
                             ServiceName="com.amazonaws.us-east-1.logs", SubnetIds=[ref("SubnetA")],
                             SecurityGroupIds=[ref("Group")], PolicyDocument=NOBODY),
        "FlowLog": resource("EC2::FlowLog", ResourceId=ref("Vpc"), ResourceType="VPC", TrafficType="ALL",
                            LogGroupName=ref("LogGroup"), DeliverLogsPermissionArn=att("Role", "Arn")),
    }  # fmt: skip


def storage() -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    return {
        "Key": resource("KMS::Key", KeyPolicy=NOBODY, EnableKeyRotation=True),
        "LogGroup": resource("Logs::LogGroup", KmsKeyId=att("Key", "Arn"), RetentionInDays=7),
        "WafLogs": resource("Logs::LogGroup", LogGroupName="aws-waf-logs-every-type"),
        "LogPolicy": resource("Logs::ResourcePolicy", PolicyName="every-type",
                              PolicyDocument=json.dumps(NOBODY)),
        "Role": resource("IAM::Role", PermissionsBoundary=ref("Policy"), Policies=[],
                         AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": [trust]}),
        "Policy": resource("IAM::ManagedPolicy",
                           PolicyDocument={"Version": "2012-10-17", "Statement": [allow]}),
        "Identity": resource("IAM::OIDCProvider", Url="https://token.example.test", ClientIdList=["sts"]),
        "Tokens": resource(
            "DynamoDB::Table", BillingMode="PAY_PER_REQUEST",
            OnDemandThroughput={"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 5},
            SSESpecification={"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": att("Key", "Arn")},
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
            AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        ),
        "Accounts": resource(
            "DynamoDB::GlobalTable", BillingMode="PAY_PER_REQUEST",
            WriteOnDemandThroughputSettings={"MaxWriteRequestUnits": 5},
            SSESpecification={"SSEEnabled": True, "SSEType": "KMS"},
            TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
            AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
            Replicas=[{
                "Region": ref("AWS::Region"), "DeletionProtectionEnabled": False,
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "ReadOnDemandThroughputSettings": {"MaxReadRequestUnits": 10},
                "SSESpecification": {"KMSMasterKeyId": att("Key", "Arn")},
            }],
        ),
        "Images": resource("ECR::Repository", EncryptionConfiguration={"EncryptionType": "KMS"}),
        "Bucket": resource("S3::Bucket"),
        "BucketPolicy": resource("S3::BucketPolicy", Bucket=ref("Bucket"), PolicyDocument=NOBODY),
        "Secret": resource("SecretsManager::Secret", KmsKeyId=ref("Key"),
                           GenerateSecretString={"PasswordLength": 32}),
    }  # fmt: skip


def front(zone: str, port: int) -> dict[str, Any]:
    name = "every.example.test"
    alias = {"DNSName": att("Balancer", "DNSName"), "HostedZoneId": att("Balancer", "CanonicalHostedZoneID")}
    record = {"HostedZoneId": zone, "Name": name, "AliasTarget": alias}
    only_known = {"NotStatement": {"Statement": {"IPSetReferenceStatement": {"Arn": att("Networks", "Arn")}}}}
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    return {
        "Certificate": resource(
            "CertificateManager::Certificate", DomainName=name, ValidationMethod="DNS",
            DomainValidationOptions=[{"DomainName": name, "HostedZoneId": zone}],
        ),
        "RecordA": resource("Route53::RecordSet", **record, Type="A"),
        "RecordAaaa": resource("Route53::RecordSet", **record, Type="AAAA"),
        "Balancer": resource("ElasticLoadBalancingV2::LoadBalancer", Subnets=[ref("SubnetA"), ref("SubnetB")],
                             SecurityGroups=[ref("Group")], IpAddressType="dualstack"),
        "Targets": resource("ElasticLoadBalancingV2::TargetGroup", VpcId=ref("Vpc"), Port=8443,
                            Protocol="HTTPS", TargetType="ip"),
        "Listener": resource("ElasticLoadBalancingV2::Listener", LoadBalancerArn=ref("Balancer"), Port=port,
                             Protocol="HTTPS", Certificates=[{"CertificateArn": ref("Certificate")}],
                             DefaultActions=[answer]),
        "Further": resource("ElasticLoadBalancingV2::ListenerCertificate", ListenerArn=ref("Listener"),
                            Certificates=[{"CertificateArn": ref("Certificate")}]),
        "Rule": resource("ElasticLoadBalancingV2::ListenerRule", ListenerArn=ref("Listener"), Priority=1,
                         Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
                         Actions=[{"Type": "forward", "TargetGroupArn": ref("Targets")}]),
        "Networks": resource("WAFv2::IPSet", Scope="REGIONAL", IPAddressVersion="IPV4",
                             Addresses=["0.0.0.0/1", "128.0.0.0/1"]),
        "WebAcl": resource(
            "WAFv2::WebACL", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=VISIBLE,
            Rules=[{"Name": "known", "Priority": 0, "Action": {"Block": {}}, "VisibilityConfig": VISIBLE,
                    "Statement": only_known}],
            CustomResponseBodies={"no": {"ContentType": "TEXT_PLAIN", "Content": "no"}},
        ),
        "Guard": resource("WAFv2::WebACLAssociation", WebACLArn=att("WebAcl", "Arn"),
                          ResourceArn=ref("Balancer")),
        "WafLogging": resource("WAFv2::LoggingConfiguration", ResourceArn=att("WebAcl", "Arn"),
                               LogDestinationConfigs=[att("WafLogs", "Arn")]),
    }  # fmt: skip


def service() -> dict[str, Any]:
    balancer = {"Name": "LoadBalancer", "Value": att("Balancer", "LoadBalancerFullName")}
    metric = {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": [balancer]}
    parts = [
        {"Id": "all", "ReturnData": False, "MetricStat": {"Stat": "Sum", "Period": 60, "Metric": metric}},
        {"Id": "slow", "ReturnData": False, "MetricStat": {"Stat": "p99", "Period": 60, "Metric": metric}},
    ]
    logging = {"CloudWatchLogGroupName": ref("LogGroup"), "CloudWatchEncryptionEnabled": True}
    command = {"KmsKeyId": att("Key", "Arn"), "Logging": "OVERRIDE", "LogConfiguration": logging}
    limit = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 3, "Threshold": 0.02}
    return {
        "Cluster": resource("ECS::Cluster", Configuration={"ExecuteCommandConfiguration": command}),
        "Capacity": resource("ECS::ClusterCapacityProviderAssociations", Cluster=ref("Cluster"),
                             CapacityProviders=["FARGATE", "FARGATE_SPOT"],
                             DefaultCapacityProviderStrategy=[{"CapacityProvider": "FARGATE", "Weight": 1}]),
        "Task": resource("ECS::TaskDefinition", Cpu="256", Memory="512", NetworkMode="awsvpc",
                         RequiresCompatibilities=["FARGATE"],
                         ContainerDefinitions=[{"Name": "a", "Image": "b"}]),
        "Ratio": resource("CloudWatch::Alarm", **limit, DatapointsToAlarm=2, TreatMissingData="notBreaching",
                          Metrics=[{"Id": "ratio", "Expression": "slow/all"}, *parts]),
        "Latency": resource("CloudWatch::Alarm", **limit, **metric, ExtendedStatistic="p99", Period=60,
                            EvaluateLowSampleCountPercentile="ignore"),
    }  # fmt: skip
