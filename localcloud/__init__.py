"""The embedded cloud for `ENV=local`: an AWS API on loopback whose tasks, balancers and stacks really run.

It is MiniStack (`emulator.py` names everything of it that is used) with the gaps filled that this project's
templates need. `python -m localcloud --help` lists the commands.
"""
