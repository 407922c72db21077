"""Run the tool: `python -m stack COMMAND`."""

from stack.cli import tool

if __name__ == "__main__":
    tool(prog_name="python -m stack", complete_var="_ECHO_ROOM_COMPLETE")
