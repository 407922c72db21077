"""CloudFormation as AWS does it, over boto3: change sets, updates, failures and rollbacks."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

TOPIC = {"Type": "AWS::SNS::Topic"}
VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Cidr"}}}
#: A resource that the service refuses: no such group.
REFUSED = {
    "Type": "AWS::EC2::SecurityGroupIngress",
    "DependsOn": "Topic",
    "Properties": {
        "GroupId": "sg-none",
        "IpProtocol": "tcp",
        "FromPort": 1,
        "ToPort": 1,
        "CidrIp": "127.0.0.1/32",
    },
}


def changes(change_set: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"]
        for change in change_set["Changes"]
    }


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_an_unknown_resource_type_is_refused_by_name(shared_cloud: Any) -> None:
    with pytest.raises(ClientError, match="AWS::Nothing::Here"):
        shared_cloud.change_set(
            "unknown", {"Resources": {"Topic": TOPIC, "X": {"Type": "AWS::Nothing::Here"}}}
        )
    with pytest.raises(ClientError, match="does not exist"):
        shared_cloud.client("cloudformation").describe_stacks(StackName="unknown")


def test_the_short_form_of_rule_functions_is_read_and_rules_are_asserted(shared_cloud: Any) -> None:
    template = """
Parameters: {Size: {Type: String}}
Rules:
  Known: {Assertions: [{Assert: !Contains [[small, large], !Ref Size], AssertDescription: small or large}]}
Resources: {Topic: {Type: AWS::SNS::Topic}}
"""
    assert (
        shared_cloud.change_set("rules", template, parameters={"Size": "small"})["Status"]
        == "CREATE_COMPLETE"
    )
    with pytest.raises(ClientError, match="small or large"):
        shared_cloud.change_set("rules2", template, parameters={"Size": "medium"})


def test_get_att_of_a_vpcs_addresses(shared_cloud: Any) -> None:
    template = {
        "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}}},
        "Outputs": {"Cidr": {"Value": {"Fn::GetAtt": ["Vpc", "CidrBlock"]}}},
    }
    assert outputs(shared_cloud.deploy("vpc-cidr", template)) == {"Cidr": "10.7.0.0/16"}


def test_full_names_of_a_balancer_and_its_target_group(shared_cloud: Any) -> None:
    template = {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.8.0.0/16"}},
            "Balancer": {"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer"},
            "Group": {
                "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
                "Properties": {"VpcId": {"Ref": "Vpc"}, "Port": 80, "Protocol": "HTTP", "TargetType": "ip"},
            },
        },
        "Outputs": {
            "Group": {"Value": {"Fn::GetAtt": ["Group", "TargetGroupFullName"]}},
            "Balancer": {"Value": {"Fn::GetAtt": ["Balancer", "LoadBalancerFullName"]}},
        },
    }
    found = outputs(shared_cloud.deploy("full-names", template))
    assert found["Group"].startswith("targetgroup/")
    assert found["Balancer"].startswith("app/")


def test_a_false_condition_keeps_a_resource_out_of_the_changes_and_toggling_it_is_one(
    shared_cloud: Any,
) -> None:
    template = {
        "Parameters": {"More": {"Type": "String"}},
        "Conditions": {"HasMore": {"Fn::Equals": [{"Ref": "More"}, "yes"]}},
        "Resources": {"Topic": TOPIC, "Other": {**TOPIC, "Condition": "HasMore"}},
    }
    made = shared_cloud.change_set("toggled", template, parameters={"More": "no"})
    assert changes(made).keys() == {"Topic"}
    shared_cloud.execute(made)
    on = shared_cloud.change_set("toggled", template, "UPDATE", parameters={"More": "yes"})
    assert {name: change["Action"] for name, change in changes(on).items()} == {"Other": "Add"}
    assert shared_cloud.execute(on)["StackStatus"] == "UPDATE_COMPLETE"
    # Only what changed has events, a new resource under CREATE.
    events = [event[:2] for event in shared_cloud.events("toggled")]
    assert ("Topic", "UPDATE_COMPLETE") not in events
    assert ("Other", "CREATE_COMPLETE") in events
    off = shared_cloud.change_set("toggled", template, "UPDATE", parameters={"More": "no"})
    assert {name: change["Action"] for name, change in changes(off).items()} == {"Other": "Remove"}
    shared_cloud.execute(off)
    events = [event[:2] for event in shared_cloud.events("toggled")]
    assert events.index(("toggled", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")) < events.index(
        ("Other", "DELETE_COMPLETE")
    )
    assert events[-1] == ("toggled", "UPDATE_COMPLETE")


def test_the_same_again_contains_no_changes(shared_cloud: Any) -> None:
    shared_cloud.deploy("same", {"Resources": {"Topic": TOPIC}})
    again = shared_cloud.change_set("same", {"Resources": {"Topic": TOPIC}}, "UPDATE")
    assert again["Status"] == "FAILED"
    assert "didn't contain changes" in again["StatusReason"]
    assert again["ExecutionStatus"] == "UNAVAILABLE"


def test_outputs_alone_are_no_changes_that_can_be_executed(shared_cloud: Any) -> None:
    template: dict[str, Any] = {"Parameters": {"Said": {"Type": "String"}}, "Resources": {"Topic": TOPIC}}
    shared_cloud.deploy("outputs", template, parameters={"Said": "a"})
    told = {**template, "Outputs": {"Said": {"Value": {"Ref": "Said"}}}}
    for value in ("a", "b"):
        made = shared_cloud.change_set("outputs", told, "UPDATE", parameters={"Said": value})
        assert made["Changes"] == []
        assert outputs(shared_cloud.execute(made)) == {"Said": value}
    again = shared_cloud.change_set("outputs", told, "UPDATE", parameters={"Said": "b"})
    assert again["Status"] == "FAILED"
    wrong = {**template, "Outputs": {"Said": {"Value": {"Fn::GetAtt": ["Topic", "None"]}}}}
    refused = shared_cloud.deploy("outputs", wrong, "UPDATE", parameters={"Said": "b"})
    assert refused["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_replacement_and_values_are_told_before(shared_cloud: Any) -> None:
    template = {
        "Parameters": {"Cidr": {"Type": "String"}, "Dns": {"Type": "String"}},
        "Resources": {
            "Vpc": {
                "Type": "AWS::EC2::VPC",
                "Properties": {"CidrBlock": {"Ref": "Cidr"}, "EnableDnsSupport": {"Ref": "Dns"}},
            },
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {
                    "VpcId": {"Ref": "Vpc"},
                    "CidrBlock": {"Fn::Select": [0, {"Fn::Cidr": [{"Ref": "Cidr"}, 1, 8]}]},
                },
            },
        },
    }  # fmt: skip
    shared_cloud.deploy("replaced", template, parameters={"Cidr": "10.1.0.0/16", "Dns": "true"})
    in_place = shared_cloud.change_set(
        "replaced", template, "UPDATE", parameters={"Cidr": "10.1.0.0/16", "Dns": "false"}
    )
    assert changes(in_place).keys() == {"Vpc"}
    assert changes(in_place)["Vpc"]["Replacement"] == "False"
    anew = changes(
        shared_cloud.change_set(
            "replaced", template, "UPDATE", parameters={"Cidr": "10.2.0.0/16", "Dns": "true"}
        )
    )
    assert {name: change["Replacement"] for name, change in anew.items()} == {"Vpc": "True", "Subnet": "True"}
    targets = {detail["Target"]["Path"]: detail["Target"] for detail in anew["Vpc"]["Details"]}
    assert targets["/Properties/CidrBlock"]["BeforeValue"] == "10.1.0.0/16"
    assert targets["/Properties/CidrBlock"]["AfterValue"] == "10.2.0.0/16"
    assert targets["/Properties/CidrBlock"]["RequiresRecreation"] == "Always"
    assert targets["/Properties/CidrBlock"]["AttributeChangeType"] == "Modify"
    targets = {detail["Target"]["Path"]: detail["Target"] for detail in anew["Subnet"]["Details"]}
    assert targets["/Properties/VpcId"]["AfterValue"] == "{{changeSet:KNOWN_AFTER_APPLY}}"
    assert json.loads(anew["Vpc"]["BeforeContext"])["Properties"]["CidrBlock"] == "10.1.0.0/16"


def test_a_failed_create_rolls_back_and_says_why(shared_cloud: Any) -> None:
    stack = shared_cloud.deploy("failed", {"Resources": {"Topic": TOPIC, "Refused": REFUSED}})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    failures = [event for event in shared_cloud.events("failed") if event[1].endswith("_FAILED")]
    assert failures[0][:2] == ("Refused", "CREATE_FAILED")
    assert "sg-none" in failures[0][2]
    assert "InvalidGroup.NotFound" in failures[0][2]
    reasons = [event[2] for event in shared_cloud.events("failed") if event[1] == "ROLLBACK_IN_PROGRESS"]
    assert reasons == ["The following resource(s) failed to create: [Refused]. Rollback requested by user."]
    assert ("Topic", "DELETE_COMPLETE", "") in shared_cloud.events("failed")


def test_on_stack_failure(shared_cloud: Any) -> None:
    template = {"Resources": {"Topic": TOPIC, "Refused": REFUSED}}
    kept = shared_cloud.deploy("nothing-done", template, OnStackFailure="DO_NOTHING")
    assert kept["StackStatus"] == "CREATE_FAILED"
    assert shared_cloud.delete("nothing-done")["StackStatus"] == "DELETE_COMPLETE"
    gone = shared_cloud.deploy("deleted", template, OnStackFailure="DELETE")
    assert gone["StackStatus"] == "DELETE_COMPLETE"


def test_a_failed_update_goes_back(shared_cloud: Any) -> None:
    before = {"Resources": {"Topic": {**TOPIC, "Properties": {"DisplayName": "one"}}}}
    shared_cloud.deploy("back", before)
    after = {"Resources": {"Topic": {**TOPIC, "Properties": {"DisplayName": "two"}}, "Refused": REFUSED}}
    assert shared_cloud.deploy("back", after, "UPDATE")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    template = shared_cloud.client("cloudformation").get_template(StackName="back")["TemplateBody"]
    assert template["Resources"].keys() == {"Topic"}
    arn = shared_cloud.client("cloudformation").describe_stack_resource(
        StackName="back", LogicalResourceId="Topic"
    )
    attributes = shared_cloud.client("sns").get_topic_attributes(
        TopicArn=arn["StackResourceDetail"]["PhysicalResourceId"]
    )["Attributes"]
    assert attributes["DisplayName"] == "one"
    failures = [event for event in shared_cloud.events("back") if event[1].endswith("_FAILED")]
    assert failures[0][0] == "Refused"


def test_deletion_keeps_what_is_retained_and_respects_termination_protection(shared_cloud: Any) -> None:
    template = {
        "Resources": {"Topic": {**TOPIC, "DeletionPolicy": "Retain"}, "Other": TOPIC},
        "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}, "Other": {"Value": {"Ref": "Other"}}},
    }
    found = outputs(shared_cloud.deploy("retained", template))
    cloudformation = shared_cloud.client("cloudformation")
    cloudformation.update_termination_protection(StackName="retained", EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="TerminationProtection"):
        cloudformation.delete_stack(StackName="retained")
    cloudformation.update_termination_protection(StackName="retained", EnableTerminationProtection=False)
    assert shared_cloud.delete("retained")["StackStatus"] == "DELETE_COMPLETE"
    left = {topic["TopicArn"] for topic in shared_cloud.client("sns").list_topics()["Topics"]}
    assert found["Topic"] in left
    assert found["Other"] not in left
