"""What each type of resource costs. A type that is neither priced here nor known to be free is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from stack.cost import tasks
from stack.cost.context import Context
from stack.cost.tasks import Found

# Days of a month; and KB of a request that the web ACL writes down, bytes of a line in the access log
# (compressed, as the balancer writes it).
_DAYS, _REFUSED_KB, _ACCESS_LINE = 365 / 12, 2, 100
# New connections that one unit of the balancer's capacity takes in an hour.
_CONNECTIONS = 25 * 3600
# Signals that CloudWatch counts for an objective of Application Signals in each period of its metrics.
_SIGNALS = 2
# What the probe writes (app/probe).
_PROBE_METRICS = 8

# Cost nothing by themselves. What they cause is priced where it is counted: log groups for flow logs and the
# web ACL's log, services for task definitions.
FREE = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::CertificateManager::Certificate",
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::FlowLog",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCCidrBlock",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::ECS::TaskDefinition",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::OIDCProvider",
    "AWS::IAM::Role",
    # Its metric is paid for in hours in which a line matched.
    "AWS::Logs::MetricFilter",
    "AWS::Logs::ResourcePolicy",
    "AWS::S3::BucketPolicy",
    # A thousand mails and a hundred thousand calls a month are free.
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::WAFv2::IPSet",
    "AWS::WAFv2::LoggingConfiguration",
    "AWS::WAFv2::WebACLAssociation",
}


def resource(context: Context, name: str, kind: str, properties: Mapping[str, Any]) -> Found:
    """Price one resource: its lines, and what of it is not priced."""
    if kind in FREE:
        return
    if kind not in PRICED:
        yield context.not_priced(name, f"{kind}: the table has no price for it")
        return
    yield from PRICED[kind](context, name, properties)


def _address(context: Context, name: str, _: Mapping[str, Any]) -> Found:
    yield context.hours(name, "public address", 1, "public-ipv4")


def _nat_gateway(context: Context, name: str, _: Mapping[str, Any]) -> Found:
    yield context.hours(name, "NAT gateway", 1, "nat-gateway")
    gateways = len(context.found.of_type("AWS::EC2::NatGateway"))
    yield context.used(name, "log lines through it", context.log_gb / gateways, "nat-gateway-data")


def _endpoint(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    if properties.get("VpcEndpointType", "Gateway") != "Interface":
        return  # gateways to S3 and DynamoDB are free
    zones = len(properties["SubnetIds"])
    yield context.hours(name, f"endpoint in {zones} zones", zones, "interface-endpoint")
    if str(properties["ServiceName"]).endswith(".logs"):
        yield context.used(name, "log lines through it", context.log_gb, "interface-endpoint-data")


def _balancer(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    if properties.get("Type", "application") != "application":
        yield context.not_priced(name, f"a {properties['Type']} load balancer")
        return
    usage = context.usage
    yield context.hours(name, "load balancer", 1, "load-balancer")
    if properties.get("Scheme") != "internal":
        zones = len(properties.get("Subnets", properties.get("SubnetMappings", ())))
        yield context.hours(name, f"its addresses in {zones} zones", zones, "public-ipv4")
    gb = usage.requests * usage.request_kb / 1e6
    connections = usage.requests / max(usage.connection_requests, 1)
    yield context.used(name, "capacity", max(2 * gb, connections / _CONNECTIONS), "load-balancer-capacity")
    yield context.used(name, "answers to the internet", gb, "data-to-internet")


def _cluster(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    for setting in properties.get("ClusterSettings", ()):
        if setting["Name"] == "containerInsights" and setting["Value"] != "disabled":
            yield context.not_priced(
                name, f"Container Insights ({setting['Value']}): by metric, whose number follows from tasks"
            )


def _key(context: Context, name: str, _: Mapping[str, Any]) -> Found:
    yield context.line(name, "key", 1, "key")


def _table(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    """Reads are paid for once, wherever they are; what is written and kept, in each region."""
    if properties.get("BillingMode") != "PAY_PER_REQUEST":
        yield context.not_priced(name, "provisioned capacity")
        return
    usage, replicas = context.usage, properties["Replicas"]
    yield context.used(name, "reads", usage.table_reads / 1e6, "table-reads")
    for number, replica in enumerate(replicas):
        where = f" in {replica['Region']}" if number else ""
        yield context.used(name, f"writes{where}", usage.table_writes / 1e6, "table-writes")
        yield context.used(name, f"storage{where}", usage.table_gb, "table-storage")
        if replica.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            yield context.used(name, f"continuous backups{where}", usage.table_gb, "table-backup")
    if len(replicas) > 1:
        yield context.not_priced(name, "what is written, on its way to the other region")


def _repository(context: Context, name: str, _: Mapping[str, Any]) -> Found:
    yield context.used(name, "images", context.usage.images_gb, "image-storage")


def _bucket(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    policies = context.referring("AWS::S3::BucketPolicy", name)
    days = [
        float(rule["ExpirationInDays"])
        for rule in properties.get("LifecycleConfiguration", {}).get("Rules", ())
        if "ExpirationInDays" in rule
    ]
    if "logdelivery.elasticloadbalancing" not in json.dumps(policies) or not days:
        yield context.not_priced(name, "what is kept in it")
        return
    gb = context.usage.requests * _ACCESS_LINE / 1e9
    yield context.used(name, f"access logs, {min(days):g} days", gb * min(days) / _DAYS, "object-storage")


def _log_group(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    gb = 0.0
    if context.referring("AWS::ECS::TaskDefinition", name):
        gb += context.log_gb
    if context.referring("AWS::EC2::FlowLog", name):
        gb += context.usage.flow_log_gb
    if context.referring("AWS::WAFv2::LoggingConfiguration", name):
        gb += context.usage.refused * _REFUSED_KB / 1e6
    yield context.used(name, "lines written", gb, "log-lines")
    days = properties.get("RetentionInDays")
    if days is None:
        yield context.not_priced(name, "lines are kept for ever, and each month there are more")
        return
    yield context.used(name, f"lines kept {days} days", gb * float(days) / _DAYS, "log-storage")


def _metrics(found: list[Mapping[str, Any]]) -> list[float]:
    """Seconds between the values of each metric of an alarm or a policy that is made of several."""
    return [float(one["MetricStat"].get("Period", 60)) for one in found if "MetricStat" in one]


def _alarm(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    periods = _metrics(properties.get("Metrics", [])) or [float(properties.get("Period", 60))]
    price = "alarm-high-resolution" if min(periods) < 60 else "alarm"
    yield context.line(name, f"alarm on {_count(len(periods), 'metric')}", len(periods), price)


def _composite_alarm(context: Context, name: str, _: Mapping[str, Any]) -> Found:
    yield context.line(name, "composite alarm", 1, "composite-alarm")


def _policy(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    """Target tracking makes two alarms of its own, one for more and one for fewer."""
    tracking = properties.get("TargetTrackingScalingPolicyConfiguration")
    if not tracking:
        return  # a step is set off by an alarm of the template
    predefined = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")
    metrics = len(_metrics(tracking.get("CustomizedMetricSpecification", {}).get("Metrics", []))) or 1
    price = "alarm-high-resolution" if predefined.endswith("HighResolution") else "alarm"
    yield context.line(name, f"its two alarms on {_count(metrics, 'metric')}", 2 * metrics, price)


def _dashboard(context: Context, name: str, _: Mapping[str, Any]) -> Found:
    yield context.line(name, "dashboard", 1, "dashboard")


def _web_acl(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    rules = len(properties.get("Rules", ()))
    yield context.line(name, "web ACL", 1, "web-acl")
    yield context.line(name, _count(rules, "rule"), rules, "web-acl-rule")
    yield context.used(name, "requests", context.usage.requests / 1e6, "web-acl-requests")


def _record(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    """Aliases are free; the zone that they are in, which no template makes, is not."""
    zone = properties.get("HostedZoneId")
    records = context.found.of_type("AWS::Route53::RecordSet")
    if name == next(one for one, found in records.items() if found.get("HostedZoneId") == zone):
        yield context.line(name, "the hosted zone it is in", 1, "hosted-zone")
    if "AliasTarget" not in properties:
        yield context.not_priced(name, "its queries")


def _rule(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    """Rules are free; the tasks that a schedule starts, and what they say, are not."""
    if properties.get("State") == "DISABLED":
        return
    if any("EcsParameters" in target for target in properties.get("Targets", ())):
        yield context.line(name, f"{_PROBE_METRICS} metrics of the probe", _PROBE_METRICS, "custom-metric")
        yield from tasks.scheduled(context, name, properties)


def _objective(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    """Price an objective, whether it counts requests or periods."""
    if "RequestBasedSli" in properties:
        queries = properties["RequestBasedSli"]["RequestBasedSliMetric"]["TotalRequestCountMetric"]
    else:
        queries = properties["Sli"]["SliMetric"]["MetricDataQueries"]
    period = min(_metrics(queries))
    signals = _SIGNALS * context.prices.hours * 3600 / period
    yield context.line(name, f"{_SIGNALS} signals every {period:g} s", signals / 1e6, "signals")


def _health_check(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    """Of an endpoint on AWS; HTTPS, a string to find, latency and a short interval are features."""
    config = properties["HealthCheckConfig"]
    kind = str(config["Type"])
    features = kind.startswith("HTTPS") + kind.endswith("STR_MATCH") + bool(config.get("MeasureLatency"))
    features += int(config.get("RequestInterval", 30)) == 10
    yield context.line(name, "health check", 1, "health-check")
    if features:
        yield context.line(name, f"its {_count(features, 'feature')}", features, "health-check-feature")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


PRICED: Mapping[str, Callable[[Context, str, Mapping[str, Any]], Found]] = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": _policy,
    "AWS::ApplicationSignals::ServiceLevelObjective": _objective,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _composite_alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::EC2::EIP": _address,
    "AWS::EC2::NatGateway": _nat_gateway,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ECR::Repository": _repository,
    "AWS::ECS::Cluster": _cluster,
    "AWS::ECS::Service": tasks.service,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::Events::Rule": _rule,
    "AWS::KMS::Key": _key,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Route53::HealthCheck": _health_check,
    "AWS::Route53::RecordSet": _record,
    "AWS::S3::Bucket": _bucket,
    "AWS::WAFv2::WebACL": _web_acl,
}
