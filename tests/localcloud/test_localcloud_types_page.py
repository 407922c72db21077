"""The table of resource types in docs/local-cloud.md has a row for every type that the project relies on."""

from __future__ import annotations

import re
from pathlib import Path

from localcloud import resources, schemas
from tests.localcloud.conftest import ROOT, TEMPLATES, Cloud

PAGE = ROOT / "docs" / "local-cloud.md"
TYPE = re.compile(r"AWS::\w+::\w+")


def rows() -> list[list[str]]:
    table = PAGE.read_text().partition("\n## Resource types\n")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| `AWS::")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def listed() -> list[str]:
    return [name for row in rows() for name in TYPE.findall(row[0])]


def in_template(path: Path) -> set[str]:
    resources_part = path.read_text().partition("\nResources:")[2]
    return set(re.findall(r"^    Type: (AWS::\S+)$", resources_part, re.MULTILINE))


def test_every_type_of_the_templates_and_of_the_provisioners_has_one_row() -> None:
    used = set().union(*map(in_template, TEMPLATES.glob("*.yaml"))) | set(resources.provisioners())
    assert used
    assert used - set(listed()) == set(), "add a row: what is real, what is a record, what is refused"
    assert len(listed()) == len(set(listed()))


def test_every_row_says_something_about_types_that_aws_has() -> None:
    assert [row for row in rows() if len(row) != 4 or not any(row[1:3])] == []
    assert [name for name in listed() if schemas.schema(name) is None] == []


def test_every_type_with_a_row_can_be_in_a_stack(shared_cloud: Cloud) -> None:
    body = {"Resources": {f"R{number}": {"Type": name} for number, name in enumerate(listed())}}
    assert shared_cloud.change_set("types-page", body)["Status"] == "CREATE_COMPLETE"
