"""Completion, in a real bash: of make's targets and variables, and of the tool's own commands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stack import completion
from stack.cli import tool

ROOT = Path(__file__).parents[2]
# What readline sets before it asks.
ASK = """
source <("$0" -m stack completion bash) || exit 1
cd "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
read -ra COMP_WORDS <<< "$2"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
words=($(complete -p "${COMP_WORDS[0]}"))
for ((i = 0; i < ${#words[@]}; i++)); do [[ ${words[i]} == -F ]] && "${words[i+1]}" "${COMP_WORDS[0]}"; done
printf '%s\\n' "${COMPREPLY[@]}"
"""


def asked(line: str, at: Path = ROOT) -> list[str]:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, sys.executable, str(at), line],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_make_targets_variables_and_values(tmp_path):
    assert asked("make last-") == ["last-create-failure", "last-update-failure"]
    assert asked("make approve ENV=local NA") == ["NAME="]
    # Bash has cut the word at its = already.
    assert asked("make status ENV=lo") == ["local"]
    assert asked("make last-", tmp_path) == [], "other folders have other Makefiles"


def test_bash_completes_the_tools_own_commands_and_environments():
    assert asked("echo-room last-") == ["last-create-failure", "last-update-failure"]
    assert asked("echo-room status --env lo") == ["local"]


def words(project, line: str) -> list[str]:
    shutil.copy(ROOT / "Makefile", project.root)
    done = project.run("completion", "words", "--", line)
    assert done.exit_code == 0, done.output
    return done.stdout.split()


def test_variables_are_those_of_the_target_and_each_once(project):
    assert words(project, "make tokens ") == ["ENV=", "JSON="]
    assert words(project, "make tokens JSON=1 ") == ["ENV="]
    assert words(project, "make JSON=1 tokens E") == ["ENV="]
    assert words(project, "make create RUNTIME=") == ["RUNTIME=container", "RUNTIME=process"]
    assert words(project, "make status ENV=") == [f"ENV={project.env}"]
    assert words(project, "make nonsense ") == words(project, "make ")
    assert "create" in words(project, "make ")


def test_the_names_of_changes_that_wait(created):
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    assert created.do("change", "--name", "waits", "--runtime", "process").exit_code == 0
    assert words(created, f"make approve ENV={created.env} NAME=") == ["NAME=waits"]
    assert words(created, f"make change ENV={created.env} NAME=") == [], "a new one"
    assert words(created, "make approve NAME=") == []


def test_an_endpoint_that_is_down_completes_nothing_and_says_nothing(make_project, unused_port):
    project = make_project(f"http://127.0.0.1:{unused_port}")
    assert words(project, f"make approve ENV={project.env} NAME=") == []


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_shell_gets_a_script_that_calls_this_checkout(shell):
    text = completion.script(tool, shell, ROOT)
    assert "CHECKOUT" not in text
    assert "PYTHON " not in text
    assert re.search(rf"{completion.VARIABLE}={shell}_complete.* env PYTHONPATH=\S+ \S+ -m stack\)", text)
    assert "completion words" in text
