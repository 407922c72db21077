"""What a template becomes when everything that is known is put in."""

from typing import Any

import pytest

from stack.errors import ToolError
from stack.files.templates import parse
from stack.scan.resolve import references, resolve, typed

PSEUDO = {"AWS::Region": "eu-west-1", "AWS::Partition": "aws", "AWS::StackName": "echo-room-test-x"}


def properties(yaml: str, **values: Any) -> Any:
    """Resolve a resource with these properties, in a template that has a network and a role beside it."""
    body = f"""
Parameters: {{{", ".join(f"{name}: {{Type: String}}" for name in values)}}}
Conditions:
  IsLarge: !Equals [!Ref Size, large]
  IsSmall: !Not [Condition: IsLarge]
  IsEither: !Or [Condition: IsLarge, !Equals [a, b]]
  IsBoth: !And [Condition: IsLarge, !Equals [a, b]]
Mappings: {{Sizes: {{large: {{cpu: 4096}}}}}}
Resources:
  Vpc: {{Type: AWS::EC2::VPC, Properties: {{CidrBlock: 10.42.0.0/16}}}}
  Role: {{Type: AWS::IAM::Role}}
  It: {{Type: Any, Properties: {{It: {yaml}}}}}
"""
    given = {"Size": "large", **values}
    return resolve(parse(body), {**PSEUDO, **given})["Resources"]["It"]["Properties"].get("It", "absent")


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("!Ref Size", "large"),
        ("!Ref AWS::Region", "eu-west-1"),
        ("!Ref AWS::NoValue", "absent"),
        ("!Ref Role", {"Ref": "Role"}),
        ("!GetAtt Role.Arn", {"Fn::GetAtt": ["Role", "Arn"]}),
        ("!If [IsLarge, 1, 2]", 1),
        ("!If [IsSmall, 1, 2]", 2),
        ("!If [IsEither, 1, 2]", 1),
        ("!If [IsBoth, 1, !Ref AWS::NoValue]", "absent"),
        ("[1, !If [IsSmall, 2, !Ref AWS::NoValue], 3]", [1, 3]),
        ("{a: !If [IsSmall, 2, !Ref AWS::NoValue], b: 3}", {"b": 3}),
        ('!Sub "${Size}-${AWS::Region}"', "large-eu-west-1"),
        ('!Sub "${Role.Arn}/${Size}"', {"Fn::Sub": "${Role.Arn}/large"}),
        ('!Sub ["${x}-${!literal}", {x: !Ref Size}]', "large-${literal}"),
        ('!Sub ["${x}/${Size}", {x: !GetAtt Role.Arn}]',
         {"Fn::Sub": ["${x}/large", {"x": {"Fn::GetAtt": ["Role", "Arn"]}}]}),
        ('!Join ["-", [!Ref Size, 1]]', "large-1"),
        ('!Join ["-", [!Ref Role]]', {"Fn::Join": ["-", [{"Ref": "Role"}]]}),
        ('!Select [1, !Split [",", "a,b"]]', "b"),
        ('!Select [1, !GetAZs ""]', "eu-west-1b"),
        ("!Select [0, !GetAtt Vpc.Ipv6CidrBlocks]",
         {"Fn::Select": [0, {"Fn::GetAtt": ["Vpc", "Ipv6CidrBlocks"]}]}),
        ("!Select [2, !Cidr [!GetAtt Vpc.CidrBlock, 16, 12]]", "10.42.32.0/20"),
        ("!FindInMap [Sizes, !Ref Size, cpu]", 4096),
        ("[{Key: k, Value: !Ref Wanted}]", [{"Key": "k", "Value": "true"}]),
        ("{Enabled: !Ref Wanted}", {"Enabled": True}),
    ],
)  # fmt: skip
def test_functions(yaml: str, expected: Any) -> None:
    assert properties(yaml, Size="large", Wanted=True) == expected


TEMPLATE = """
Parameters: {Nat: {Type: String}}
Conditions: {HasNat: !Equals [!Ref Nat, "true"]}
Rules: {Any: {Assertions: []}}
Metadata: {AWS::CloudFormation::Interface: {}}
Resources:
  Gateway: {Type: AWS::EC2::NatGateway, Condition: HasNat}
  Table: {Type: AWS::EC2::RouteTable, DependsOn: [Gateway]}
  Route:
    Type: AWS::EC2::Route
    DependsOn: [Gateway, Table]
    Properties: {Via: !If [HasNat, !Ref Gateway, none]}
Outputs:
  Address: {Condition: HasNat, Value: !Ref Gateway}
  Table: {Value: !Ref Table}
"""


def test_what_does_not_apply_is_gone() -> None:
    plain = resolve(parse(TEMPLATE), {**PSEUDO, "Nat": "false"})
    assert plain == {
        "Resources": {
            "Table": {"Type": "AWS::EC2::RouteTable"},
            "Route": {"Type": "AWS::EC2::Route", "DependsOn": ["Table"], "Properties": {"Via": "none"}},
        },
        "Outputs": {"Table": {"Value": {"Ref": "Table"}}},
    }


def test_what_applies_stays() -> None:
    plain = resolve(parse(TEMPLATE), {**PSEUDO, "Nat": "true"})
    assert plain["Resources"]["Gateway"] == {"Type": "AWS::EC2::NatGateway"}
    assert plain["Resources"]["Route"]["Properties"] == {"Via": {"Ref": "Gateway"}}
    assert plain["Outputs"]["Address"] == {"Value": {"Ref": "Gateway"}}


def test_the_template_is_not_changed() -> None:
    template = parse(TEMPLATE)
    resolve(template, {**PSEUDO, "Nat": "false"})
    assert template == parse(TEMPLATE)


def test_a_reference_to_what_is_gone_is_named() -> None:
    body = TEMPLATE.replace("!If [HasNat, !Ref Gateway, none]", "!Ref Gateway")
    with pytest.raises(ToolError, match=r"network\.yaml: Resources\.Route refers to Gateway"):
        resolve(parse(body), {**PSEUDO, "Nat": "false"}, "network.yaml")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("Parameters: {A: {Type: String}}\nResources: {}", "no value for A"),
        ("Resources: {It: {Properties: {a: !Ref Nobody}}}", r'Resources\.It\.Properties\.a: .* no "Nobody"'),
        ("Resources: {It: {Properties: {a: !If [Never, 1, 2]}}}", 'no condition "Never"'),
        ("Resources: {It: {Properties: {a: !Select [3, [1, 2]]}}}", "item 3 of a list of 2"),
        ("Resources: {It: {Properties: {a: !FindInMap [A, b, c]}}}", 'no "A" in the mappings'),
        ("Conditions: {C: {Fn::Maybe: []}}\nResources: {It: {Condition: C}}", "Fn::Maybe is no condition"),
    ],
)  # fmt: skip
def test_mistakes_say_where(body: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        resolve(parse(body), PSEUDO)


@pytest.mark.parametrize(
    ("declared", "text", "expected"),
    [
        ({"Type": "Number"}, "20", 20),
        ({"Type": "Number"}, "0.5", 0.5),
        ({"Type": "String"}, "20", "20"),
        ({"Type": "String", "AllowedValues": ["true", "false"]}, "false", False),
        ({"Type": "String", "AllowedValues": ["true", "maybe"]}, "true", "true"),
        ({"Type": "CommaDelimitedList"}, "a, b", ["a", "b"]),
        ({"Type": "CommaDelimitedList"}, "", []),
        ({"Type": "List<AWS::EC2::Subnet::Id>"}, "subnet-1", ["subnet-1"]),
    ],
)
def test_values_get_their_parameters_type(declared: dict[str, Any], text: str, expected: Any) -> None:
    value = typed(declared, text)
    assert (value, type(value)) == (expected, type(expected))


def test_references_are_found_wherever_they_hide() -> None:
    value = parse('a: [!Ref A, !GetAtt B.Arn, !Sub "${C.Arn} ${!D} ${E}", !Sub ["${F} ${G}", {F: !Ref H}]]')
    assert references(value) == {"A", "B", "C", "E", "G", "H"}
