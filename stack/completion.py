"""Completion for shells: of `make` in this checkout, and of the tool itself as a command `echo-room`."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args

import click
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from click.shell_completion import get_completion_class

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.files import environment
from stack.review.change import pending_names

Shell = Literal["bash", "zsh", "fish"]
SHELLS = get_args(Shell)
COMMAND = "echo-room"
VARIABLE = "_ECHO_ROOM_COMPLETE"
_DESCRIBED = re.compile(r"^([a-z-]+):.*?## .*?(?:   +(.*))?$", re.M)
_NAMED = re.compile(r"\b([A-Z_]+)=")
_CHOICES = re.compile(r"\b([A-Z_]+)=([a-z0-9]+(?:\|[a-z0-9]+)*)")
# A change waits for these; everywhere else NAME is a new one.
_OF_WAITING = ("approve", "reject")

# `make` elsewhere goes on as it was. A word is completed up to the cursor; what stands before its = is a word
# of its own to bash, and stays.
_BASH = """
_echo_room_make() {
  if [ "$PWD" != CHECKOUT ]; then
    if declare -F _make >/dev/null; then _make "$@"; fi
    return
  fi
  local line=${COMP_LINE:0:COMP_POINT} word candidate
  word=${line##*[[:space:]]}
  while IFS= read -r candidate; do
    [[ $word == *=* && $COMP_WORDBREAKS == *=* ]] && candidate=${candidate#*=}
    COMPREPLY+=("$candidate")
    [[ $candidate == *= ]] && compopt -o nospace 2>/dev/null
  done < <(PYTHON -m stack completion words -- "$line" 2>/dev/null)
}
complete -o bashdefault -o default -F _echo_room_make make
"""
_ZSH = """
_echo_room_make() {
  if [[ $PWD != CHECKOUT ]]; then (( $+functions[_make] )) && _make "$@"; return; fi
  local -a found
  found=("${(@f)$(PYTHON -m stack completion words -- "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
  found=(${found:#})
  compadd -S '' -- ${(M)found:#*=}
  compadd -- ${found:#*=}
}
compdef _echo_room_make make
"""
_FISH = """
function _echo_room_make
  PYTHON -m stack completion words -- (commandline -cp) 2>/dev/null
end
complete -c make -n 'test $PWD = CHECKOUT' -f -a '(_echo_room_make)'
"""
_MAKE = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script(tool: click.Command, shell: Shell, root: Path) -> str:
    """Make what a shell has to read: a function `echo-room`, its completion (click's), and that of `make`."""
    python = f"env PYTHONPATH={shlex.quote(str(root))} {shlex.quote(sys.executable)}"
    kind = get_completion_class(shell)
    if kind is None:
        raise ToolError(f"There is no completion for {shell}.")
    # click's text runs the command by its name, which is a function here that only this shell knows.
    own = re.sub(
        rf"({VARIABLE}={shell}_complete.*) (?:\$1|{COMMAND})\)",
        lambda found: f"{found[1]} {python} -m stack)",
        kind(tool, {}, COMMAND, VARIABLE).source(),
    )
    make = _MAKE[shell].replace("PYTHON", python).replace("CHECKOUT", shlex.quote(str(root)))
    function = f'{COMMAND}() {{ {python} -m stack "$@"; }}\n'
    if shell == "fish":
        function = f"function {COMMAND}; {python} -m stack $argv; end\n"
    return function + own + make


def words(line: str, root: Path) -> list[str]:
    """What the last word of a `make` line may become: targets, VARIABLE=, values where they are known."""
    before, _, word = line.rpartition(" ")
    given = before.split()[1:]
    targets = dict(_DESCRIBED.findall((root / "Makefile").read_text(encoding="utf-8")))
    target = next((one for one in given if one in targets), "")
    if not target:
        return _matching(word, targets)
    options = targets[target]
    name, is_value, _ = word.partition("=")
    if is_value:
        return _matching(word, (f"{name}={value}" for value in _values(name, target, given, options, root)))
    taken = {one.partition("=")[0] for one in given}
    found = (one for one in dict.fromkeys(_NAMED.findall(options)) if one not in taken)
    return _matching(word, (f"{one}=" for one in found))


def _values(name: str, target: str, given: Sequence[str], options: str, root: Path) -> list[str]:
    if name == "ENV":
        return environment.available(root)
    if name == "NAME" and target in _OF_WAITING:
        env = next((one.removeprefix("ENV=") for one in given if one.startswith("ENV=")), "")
        return waiting(root, env)
    return next((found.split("|") for key, found in _CHOICES.findall(options) if key == name), [])


def waiting(root: Path, env: str) -> list[str]:
    """Names of the changes that wait for approval; none where nobody answers at once."""
    try:
        cloud = Cloud(environment.load(root, env))
        for stack in cloud.environment.stacks:
            cloud.of(stack).hurry("cloudformation")
        return pending_names(cloud)
    except (ToolError, BotoCoreError, ClientError, ResponseParserError):
        # A line that is being typed is no place for an error: the command will say it.
        return []


def _matching(word: str, candidates: Iterable[str]) -> list[str]:
    return [one for one in candidates if one.startswith(word)]
