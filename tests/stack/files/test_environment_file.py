"""What an environment file may say beside its parameters, and what becomes of it."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.files import environment, keys, render, templates
from stack.files.render import Container

DIGEST = "sha256:" + "0" * 64
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-AbCdEf"
TASK = """
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - Name: main
          Image: !Ref Image
          Environment:
            - { Name: TABLE, Value: !Ref TableName }
            - !If [Never, { Name: SOMETIMES, Value: "1" }, !Ref AWS::NoValue]
            # [container] environment
          Secrets:
            - !Ref AWS::NoValue
            # [container] secrets
"""


@pytest.fixture
def with_task(project: Any) -> Any:
    project.edit("service", "Resources:\n", f"Resources:\n{TASK.lstrip(chr(10))}")
    project.edit("service", "Resources:\n", "Conditions: {Never: !Equals [a, b]}\nResources:\n")
    return project


def loaded(project: Any) -> environment.Environment:
    return environment.load(project.root, project.env)


def container(found: environment.Environment) -> dict[str, Any]:
    document = found.templates["service"].document
    return dict(document["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0])


def test_without_a_container_table_the_text_is_the_files(with_task):
    assert loaded(with_task).templates["service"].body == with_task.template("service").read_text()


def test_entries_stand_below_their_marker_lines(with_task):
    with_task.append(f"""
[container]
environment = {{ GREETING = "hello", "logging.level" = "3" }}
secrets = {{ PASSWORD = "{SECRET}:password::", KEY = "{SECRET}" }}
""")
    found = loaded(with_task)
    assert (
        """            # [container] environment
            - { Name: "GREETING", Value: "hello" }
            - { Name: "logging.level", Value: "3" }
          Secrets:
            - !Ref AWS::NoValue
            # [container] secrets
            - { Name: "PASSWORD", ValueFrom: "arn:"""
        in found.templates["service"].body
    )
    assert container(found)["Environment"][-2:] == [
        {"Name": "GREETING", "Value": "hello"},
        {"Name": "logging.level", "Value": "3"},
    ]
    assert container(found)["Secrets"][1:] == [
        {"Name": "PASSWORD", "ValueFrom": f"{SECRET}:password::"},
        {"Name": "KEY", "ValueFrom": SECRET},
    ]


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "true", "no", "1e3", "null", "~", "a: b", "- a", "#", "a # b", "'", '"', "\\", "\\n", "{a",
        "[a", "!Ref Image", "${Image}", "&a", "*a", "%", "@", "`", "| x", "> x", "? x", "two\nlines\n",
        "\r\n", "\ttab", "  x  ", "\x7f", "\x85", "\u2028", "\ufeff", "Grüße 世界", "\U0001f469",
        "{{resolve:ssm:x}}", "x" * 3000, "a b " * 900,
    ],
)  # fmt: skip
def test_every_value_is_quoted_so_that_it_stays_what_it_is(value):
    body = "A:\n  # [container] environment\nB: c\n"
    text = render.rendered(body, Container(environment={"V": value}))
    assert templates.parse(text) == {"A": [{"Name": "V", "Value": value}], "B": "c"}
    assert len(text.splitlines()) == 4, "one line each"
    assert yaml.safe_load(text) == templates.parse(text)


def test_what_is_sent_and_compared_holds_the_entries(with_task):
    assert with_task.do("create", "--runtime", "process").exit_code == 0
    with_task.append('[container]\nenvironment = { GREETING = "hello" }\n')
    shown = with_task.do("change", "--name", "greet", "--runtime", "process")
    assert shown.exit_code == 0, shown.output
    assert "GREETING" in shown.stdout
    done = with_task.do("approve", "--name", "greet")
    assert done.exit_code == 0, done.output
    sent = with_task.client("cloudformation").get_template(StackName=with_task.stack("service"))
    assert sent["TemplateBody"] == loaded(with_task).templates["service"].body
    again = with_task.do("change", "--name", "again", "--runtime", "process")
    assert "Nothing to change" in again.stdout


def test_entries_count_for_the_limit_of_a_template(with_task):
    with_task.append(f'[container]\nenvironment = {{ LONG = "{"x" * templates.MAX_BODY}" }}\n')
    done = with_task.do("create")
    assert done.exit_code == 2
    assert f"CloudFormation takes {templates.MAX_BODY} at most" in done.stderr


def test_secrets_may_be_read_by_their_arns_alone(with_task):
    with_task.edit(
        "service", "Parameters:\n", "Parameters:\n  SecretArns: {Type: CommaDelimitedList, Default: none}\n"
    )
    assert "SecretArns" not in loaded(with_task).parameters["service"]
    parameter = "arn:aws:ssm:us-east-1:123456789012:parameter/one/two"
    with_task.append(f"""
[container.secrets]
A = "{SECRET}:user::"
B = "{SECRET}:password:AWSCURRENT:"
C = "{parameter}"
""")
    assert loaded(with_task).parameters["service"]["SecretArns"] == f"{SECRET},{parameter}"
    with_task.append(f'[parameters.service]\nSecretArns = "{SECRET}"\n')
    done = with_task.do("create")
    assert done.exit_code == 2
    assert "[parameters.service] SecretArns: is filled by the tool, from [container] secrets" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('role = "admin"', 'role: must be like "arn:aws:iam::123456789012:role/cloudformation", not "admin"'),
        ("role = 1", "role: must be a string, not 1"),
        ('rol = "x"', 'unknown key "rol" (did you mean "role"?)'),
        ('termination_protection = "true"', "termination_protection: must be true or false, not 'true'"),
        ("load_rate = true", "load_rate: must be a whole number, not True"),
        ("load_rate = 0.5", "load_rate: must be a whole number, not 0.5"),
        ("load_rate = -1", "load_rate: must be 0 to 100000 requests a second"),
        ("container = 1", "container: must be a table, not 1"),
        ('container.image = "nginx:latest"', 'pinned by digest, not "nginx:latest"'),
        (f'container.image = "nginx:1@{DIGEST}x"', "pinned by digest"),
        ("container.image = true", "container.image: must be a string, not True"),
        ('container.enviroment.A = "1"', 'unknown key "enviroment" (did you mean "environment"?)'),
        ("container.environment.A = 1", "container.environment.A: must be a string, not 1"),
        ('container.environment."A B" = "1"', "container.environment.A B: cannot name a variable"),
        ('container.environment.A = "a\\u0000"', "container.environment.A: holds a NUL character"),
        ('container.environment.TABLE = "1"', "container.environment.TABLE: service.yaml sets TABLE already"),
        ('container.environment.SOMETIMES = "1"', "service.yaml sets SOMETIMES already"),
        (f'container.secrets.TABLE = "{SECRET}"', "container.secrets.TABLE: service.yaml sets TABLE already"),
        (
            f'container.secrets.A = "{SECRET}"\ncontainer.environment.A = "1"',
            "container.secrets.A: is in container.environment, too",
        ),
        ('container.secrets.A = "hunter2"', "container.secrets.A: must be the ARN of a Secrets"),
        ("container.secrets.A = 1", "container.secrets.A: must be a string, not 1"),
        ('endpoint.ca = ["x"]', "endpoint.ca: must be a string, not ['x']"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_key(with_task, text, said):
    # Keys of the top level come before every table; a dotted endpoint.ca would open its table twice.
    old = with_task.file.read_text()
    if text.startswith("endpoint.ca"):
        with_task.file.write_text(
            old.replace("process_images", f"{text.removeprefix('endpoint.')}\nprocess_images")
        )
    else:
        with_task.file.write_text(f"{text}\n{old}")
    done = with_task.do("create")
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "hunter2" not in done.output
    assert with_task.statuses() == {}


def test_a_template_without_the_marker_line_is_an_error(project):
    project.append('[container]\nenvironment = { A = "1" }\n')
    done = project.do("create")
    assert done.exit_code == 2, done.output
    assert "container.environment: no template of registry, data, service has the line" in done.stderr
    assert "`# [container] environment`" in done.stderr


def test_an_image_needs_a_stack_that_takes_it(project):
    project.file.write_text(
        project.file.read_text().replace('"registry", "data", "service"', '"registry", "data"')
        + f'[container]\nimage = "one@{DIGEST}"\n'
    )
    done = project.do("create")
    assert done.exit_code == 2, done.output
    assert "container.image: no template of registry, data has the parameter Image" in done.stderr


ARCHITECTURE = (
    "Parameters:\n  Architecture: {Type: String, Default: X86_64, AllowedValues: [X86_64, ARM64]}\n"
)


@pytest.mark.parametrize(
    ("machine", "value"),
    [("x86_64", "X86_64"), ("AMD64", "X86_64"), ("aarch64", "ARM64"), ("arm64", "ARM64"), ("riscv64", None)],
)
def test_on_an_endpoint_of_ones_own_tasks_have_this_machines_processor(project, monkeypatch, machine, value):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    project.edit("service", "Parameters:\n", ARCHITECTURE)
    assert loaded(project).parameters["service"].get("Architecture") == value


def test_a_processor_that_the_file_sets_stays(project, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    project.edit("service", "Parameters:\n", ARCHITECTURE)
    project.append('[parameters.service]\nArchitecture = "ARM64"\n')
    assert loaded(project).parameters["service"]["Architecture"] == "ARM64"


def test_on_aws_the_processor_is_the_templates(project):
    project.edit("service", "Parameters:\n", ARCHITECTURE)
    text = project.file.read_text()
    start, end = text.index("[endpoint]"), text.index("[token]")
    project.file.write_text(text[:start] + text[end:])
    assert "Architecture" not in loaded(project).parameters["service"]


PARAMETERS = """Parameters:
  Count: {Type: Number, Default: 1, MinValue: 1, MaxValue: 10}
  Least: {Type: Number, Default: 1, MinValue: 1}
  Most: {Type: Number, Default: 1, MaxValue: 10}
  Ports: {Type: List<Number>, Default: "80", MinValue: 1, MaxValue: 65535}
  Short: {Type: String, Default: abc, MinLength: 2, MaxLength: 4}
  Zones: {Type: CommaDelimitedList, Default: a, AllowedValues: [a, b]}
  Names: {Type: CommaDelimitedList, Default: a, AllowedPattern: '^[a-z]+$', ConstraintDescription: be small}
  Hidden: {Type: String, Default: secret, NoEcho: true, MinLength: 6}
"""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Count = 0", "Count: 0 is too small; allowed: 1 to 10"),
        ("Count = 11", "Count: 11 is too large; allowed: 1 to 10"),
        ('Count = "many"', 'Count: "many" is not a number'),
        ('Count = "1.5.2"', 'Count: "1.5.2" is not a number'),
        ("Count = true", 'Count: "true" is not a number'),
        ("Least = 0", "Least: 0 is less than 1"),
        ("Most = 11", "Most: 11 is more than 10"),
        ("Ports = [80, 70000]", "Ports: 70000 is too large; allowed: 1 to 65535"),
        ('Ports = ["http"]', 'Ports: "http" is not a number'),
        ('Short = "a"', 'Short: "a" has 1 characters; at least 2 are needed'),
        ('Short = "abcde"', 'Short: "abcde" has 5 characters; 4 at most are allowed'),
        ('Short = ["a", "b"]', "Short: is a list, but Short is one value (String)"),
        ('Zones = ["a", "c"]', 'Zones: "c" is not one of a, b'),
        ('Zones = "a,c"', 'Zones: "c" is not one of a, b'),
        ("Zones = []", "Zones: must be a list of strings or integers, and not an empty one"),
        ('Zones = ["a,b"]', "Zones: has a comma within a value"),
        ('Names = ["a", "B"]', 'Names: "B" does not match ^[a-z]+$ (be small)'),
        ('Hidden = "short"', "Hidden: is not what the template allows"),
    ],
)
def test_a_value_that_the_template_does_not_allow_is_refused(project, value, said):
    project.edit("service", "Parameters:\n", PARAMETERS)
    project.append(f"[parameters.service]\n{value}\n")
    done = project.do("create")
    assert done.exit_code == 2, done.output
    assert f"[parameters.service] {said}" in done.stderr
    assert "short" not in done.stderr


def test_values_that_the_template_allows_are_taken(project):
    project.edit("service", "Parameters:\n", PARAMETERS)
    project.append("""[parameters.service]
Count = 10
Ports = [80, 443]
Short = "abcd"
Zones = ["a", "b"]
Names = "a, b"
""")
    assert loaded(project).parameters["service"] == {
        "Count": "10",
        "Ports": "80,443",
        "Short": "abcd",
        "Zones": "a,b",
        "Names": "a, b",
    }


def test_every_key_is_documented():
    page = (Path(__file__).parents[3] / "docs" / "environments.md").read_text()
    section = page.split("\n## ")[0]
    documented = set(
        re.findall(r"`([a-z_]+(?:\.[a-z_<>]+)?)`", "".join(re.findall(r"^\| `.*? \|", section, re.M)))
    )
    tables = {f"{table}.{key}" for table, known in keys.TABLES.items() for key in known}
    plain = keys.TOP.keys() - keys.TABLES.keys() - {"parameters"}
    assert documented == plain | tables | {"parameters.<stack>"}
