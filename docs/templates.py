"""Writes docs/templates.md from the templates: `make docs`. A test fails when the page is out of date."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import cfnlint.decode

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "templates.md"
HEAD = """# Templates: parameters and outputs

Made from the templates by `make docs`. One template a stack, in `cloudformation/`; one file an environment,
in `cloudformation/environments/`. A parameter that an environment does not set and that is called like an
output of an earlier stack gets that output; `Image` is filled in by `make create` and `make change`, and
so are `SecretArns` (from `[container]`) and, on the local cloud, `Architecture`
([environments](environments.md)).
"""


def allowed(parameter: dict[str, Any]) -> str:
    """What a parameter may be, as a table cell."""
    if values := parameter.get("AllowedValues"):
        return ", ".join(f"`{value}`" for value in values)
    if "MinValue" in parameter:
        return f"{parameter['MinValue']} to {parameter['MaxValue']}"
    if text := parameter.get("ConstraintDescription"):
        return str(text).removeprefix("must be ")
    if pattern := parameter.get("AllowedPattern"):
        return "matches `{}`".format(pattern.replace("|", "\\|"))
    return f"`{parameter['Type']}`"


def section(stack: str) -> str:
    """One stack's heading, description and two tables."""
    template, problems = cfnlint.decode.decode(str(ROOT / "cloudformation" / f"{stack}.yaml"))
    if problems or template is None:
        sys.exit(f"cloudformation/{stack}.yaml: {problems}")
    about = template["Description"].removeprefix("Echo Room: ")
    lines = [f"## {stack}", "", about[0].upper() + about[1:], ""]
    lines += ["| parameter | default | allowed | what it is |", "|---|---|---|---|"]
    for name, parameter in template["Parameters"].items() if "Parameters" in template else ():
        default = f"`{parameter['Default']}`" if "Default" in parameter else "required"
        lines.append(f"| `{name}` | {default} | {allowed(parameter)} | {parameter['Description']} |")
    lines += ["", "| output | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {output['Description']} |" for name, output in template["Outputs"].items()]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page: production's stacks in deployment order, then the others."""
    order = tomllib.loads((ROOT / "cloudformation/environments/prod.toml").read_text())["stacks"]
    order += sorted({path.stem for path in (ROOT / "cloudformation").glob("*.yaml")} - set(order))
    return "\n".join([HEAD, *map(section, order)])


if __name__ == "__main__":
    PAGE.write_text(page())
