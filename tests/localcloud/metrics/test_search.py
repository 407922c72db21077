"""SEARCH: the examples of CloudWatch's user guide, and what GetMetricData answers to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.metrics import search
from localcloud.metrics.expression import parse
from localcloud.metrics.functions import ExpressionError
from localcloud.metrics.naming import MetricName
from tests.localcloud.conftest import Cloud


def metric(namespace: str, name: str, **dimensions: str) -> MetricName:
    return MetricName(namespace, name, dimensions)


COUNT = metric("MyNamespace", "CustomCount1", Project="a")
INSTANCE = metric("AWS/EC2", "CPUUtilization", InstanceId="i-1234567890123456")
OTHER = metric("AWS/EC2", "CPUUtilization", InstanceId="i-0")
MICRO = metric("AWS/EC2", "CPUUtilization", InstanceType="t2.micro")
BOTH = metric("AWS/EC2", "CPUUtilization", InstanceType="t2.micro", InstanceId="i-0")
VOLUME = metric("AWS/EBS", "VolumeReadOps", VolumeId="ProjectA")
ERRORS = metric("AWS/Lambda", "Errors", FunctionName="other")
INVOKED = metric("AWS/Lambda", "Invocations", FunctionName="ProjectB-main")
DASHED = metric("Net", "Network-Errors-2")
JOINED = metric("Net", "NetworkErrors2")
FAILURE = metric("My Namespace", "SDBFailure", **{"Dimension@Name": "Custom:Name[Special_Characters"})
TRAFFIC = metric("T", r"Europe\France Traffic(Network)")
ALL = [COUNT, INSTANCE, OTHER, MICRO, BOTH, VOLUME, ERRORS, INVOKED, DASHED, JOINED, FAILURE, TRAFFIC]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # A schema: exactly these dimensions, in any order; a namespace alone takes all.
        ("{AWS/EC2,InstanceId}", [INSTANCE, OTHER]),
        ("{AWS/EC2, InstanceType , InstanceId}", [BOTH]),
        ("{AWS/EC2}", [INSTANCE, OTHER, MICRO, BOTH]),
        ('{"My Namespace", "Dimension@Name"}, "Custom:Name[Special_Characters" ', [FAILURE]),
        # One token, whatever its capitals; but those of a term make tokens, too.
        ("count", [COUNT]), ("COUNT", [COUNT]), ("couNT", []), ("1", [COUNT]), ("failure", [FAILURE]),
        ("sdb", [FAILURE]), ("SDBFailure", [FAILURE]), ("customcount1", [COUNT]), ("micro", [MICRO, BOTH]),
        # Composite ones: with their capitals.
        ("CustomCount", [COUNT]), ("Count1", [COUNT]), ("customcount", []), ("count1", []),
        ("network/errors", [DASHED, JOINED]), ("network+errors", [DASHED, JOINED]),
        ("Network_Errors", [DASHED, JOINED]), ("errors/network", []),
        # Exact ones.
        ('{MyNamespace}, "CustomCount1"', [COUNT]), ('{MyNamespace} "customcount1"', []), ('"Custom"', []),
        ('"Network-Errors-2"', [DASHED]), ('"Network_Errors_2"', []), ('"MyNamespace"', [COUNT]),
        ('"InstanceType"', [MICRO, BOTH]),
        (r'"Europe\\France Traffic\(Network\)"', [TRAFFIC]),
        # Properties.
        ("InstanceType=micro", [MICRO, BOTH]), ('InstanceType="t2.micro" Namespace="AWS/EC2"', [MICRO, BOTH]),
        ('InstanceId="t2.micro"', []), ('MetricName="AWS/EC2"', []),
        ('"Dimension@Name"=special', [FAILURE]), ('InstanceId=("i-0" OR "i-1")', [OTHER, BOTH]),
        # AND, OR, NOT.
        ('{AWS/EC2,InstanceId} MetricName="CPUUtilization" NOT i-1234567890123456', [OTHER]),
        ("NOT Namespace=AWS NOT Net", [COUNT, FAILURE, TRAFFIC]), ("utilization AND type", [MICRO, BOTH]),
        ("(EC2 OR EBS) AND MetricName=ReadOps", [VOLUME]), ("(EC2 OR EBS) ReadOps ProjectA", [VOLUME]),
        ('{AWS/Lambda,FunctionName} MetricName="Errors" OR '
         '(MetricName="Invocations" AND (ProjectA OR ProjectB))',
         [ERRORS, INVOKED]),
        ("EBS OR EC2 AND micro", [MICRO, BOTH, VOLUME]), ("utilization not", []),
    ],
)  # fmt: skip
def test_what_is_found(query: str, expected: list[MetricName]) -> None:
    found = search.parse(query)
    assert [each for each in ALL if found(each)] == expected


@pytest.mark.parametrize(("query", "why"), [
    ("", "schema"), ("{}", "schema"), ("{N,D x", "brace"), ("{N,,D}", "schema"),
    ("a OR", "end"), ("AND a", "AND"), ("(a", "end"), ("a )", r"\)"), ("a =", "end"), ("NOT", "end"),
    ('"open', "quotation"), ("N=a=b", "="), ("+", "letter or digit"), ("x" * 1025, "1024"),
    (':aws.AccountId="444455556666"', "one account"),
])  # fmt: skip
def test_what_is_no_search(query: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        search.parse(query)


@pytest.mark.parametrize("text", [
    "SEARCH()", "SEARCH('{N}')", "SEARCH('{N}', 'Most')", "SEARCH(\"{N}\", 'Sum')", "SEARCH('{N}', 'Sum', 0)",
    "SEARCH('{N}', 'Sum', a)", "SEARCH('{N}' 'Sum')", "SEARCH('{N}', 'Sum', 60",
])  # fmt: skip
def test_what_calls_no_search(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.fixture(scope="module")
def ask(quick_cloud: Cloud) -> Any:
    """Asks a cloud in which metrics of two zones were put for what queries give, as labels and sums."""
    cloudwatch = quick_cloud.client("cloudwatch")
    now = datetime.now(UTC)
    for zone, group, value in (("a", "one", 1.0), ("b", "one", 2.0), ("b", "two", 4.0)):
        dimensions = [{"Name": "Zone", "Value": f"zone-{zone}"}, {"Name": "Group", "Value": group}]
        data = [{"MetricName": "Healthy", "Dimensions": dimensions, "Timestamp": now, "Value": value}]
        cloudwatch.put_metric_data(Namespace="Searched", MetricData=data)
    plain = [{"MetricName": "Healthy", "Timestamp": now, "Value": 99.0}]
    cloudwatch.put_metric_data(Namespace="Searched", MetricData=plain)

    def asking(*queries: Any) -> list[tuple[str, str, float]]:
        given = [{"Id": f"q{n}", **query} for n, query in enumerate(queries)]
        found = cloudwatch.get_metric_data(
            MetricDataQueries=given,
            StartTime=now - timedelta(hours=1), EndTime=datetime.now(UTC) + timedelta(seconds=5),
        )  # fmt: skip
        assert found["Messages"] == []
        return [(one["Id"], one["Label"], sum(one["Values"])) for one in found["MetricDataResults"]]

    return asking


def test_each_metric_found_is_a_result(ask: Any) -> None:
    by_zone = "SEARCH('{Searched,Group,Zone} MetricName=\"Healthy\"', 'Maximum', 60)"
    assert ask({"Expression": by_zone}) == [
        ("q0", "one zone-a", 1), ("q0", "one zone-b", 2), ("q0", "two zone-b", 4),
    ]  # fmt: skip
    one = "SEARCH('{Searched,Group,Zone} Group=one', 'Sum')"
    assert ask({"Expression": one, "Label": "healthy", "Period": 60}) == [
        ("q0", "healthy zone-a", 1), ("q0", "healthy zone-b", 2),
    ]  # fmt: skip
    assert ask({"Expression": one, "Label": ""}) == [("q0", "zone-a", 1), ("q0", "zone-b", 2)]
    named = "${PROP('MetricName')} in ${PROP('Dim.Zone')}${PROP('Dim.None')} (${LABEL})"
    assert ask({"Expression": one, "Label": named}) == [
        ("q0", "Healthy in zone-a (zone-a)", 1), ("q0", "Healthy in zone-b (zone-b)", 2),
    ]  # fmt: skip
    assert ask({"Expression": "SEARCH('{Searched} nowhere', 'Sum', 60)"}) == []


def test_math_goes_on_with_what_was_found(ask: Any) -> None:
    found = {"Id": "found", "Expression": "SEARCH('{Searched,Group,Zone}', 'Sum', 60)", "ReturnData": False}
    assert ask(found, {"Expression": "SUM(found)"}) == [("q1", "q1", 7)]
    assert ask(found, {"Expression": "SORT(10*found, MAX, DESC, 2)"}) == [
        ("q1", "two", 40), ("q1", "one", 20),
    ]  # fmt: skip
    assert ask({"Expression": "MAX(SEARCH('{Searched,Nothing}', 'Sum', 60))"}) == [("q0", "q0", 0)]
    labelled = {"MetricStat": {"Metric": {"Namespace": "Searched", "MetricName": "Healthy"}, "Period": 60,
                               "Stat": "Sum"}, "Label": "${PROP('Namespace')}: ${LABEL}"}  # fmt: skip
    assert ask(labelled) == [("q0", "Searched: Healthy", 99)]


def test_what_is_wrong_is_said(ask: Any, quick_cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="schema in braces"):
        ask({"Expression": "SEARCH('', 'Sum', 60)"})
    with pytest.raises(ClientError, match="SEARCH is not supported on Metric Alarms"):
        quick_cloud.client("cloudwatch").put_metric_alarm(
            AlarmName="searching", EvaluationPeriods=1, Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            Metrics=[{"Id": "m", "Expression": "SUM(SEARCH('{Searched}', 'Sum', 60))", "Period": 60}],
        )  # fmt: skip


def test_a_graph_has_500_series_at_most(quick_cloud: Cloud) -> None:
    cloudwatch = quick_cloud.client("cloudwatch")
    data: Any = [
        {"MetricName": "M", "Value": n, "Dimensions": [{"Name": "D", "Value": f"{n:03}"}]} for n in range(501)
    ]
    cloudwatch.put_metric_data(Namespace="Many", MetricData=data)
    now = datetime.now(UTC)
    found = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "m", "Expression": "SEARCH('{Many,D}', 'Sum', 60)"}],
        StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(seconds=5),
    )  # fmt: skip
    assert len(found["MetricDataResults"]) == 500
    assert [message["Value"] for message in found["Messages"]] == [
        "Maximum number of allowed metrics exceeded"
    ]
