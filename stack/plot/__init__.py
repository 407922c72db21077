"""Pictures: the dashboard from its metrics, and what drills have shown.

What is drawn is a `Sheet`, plain data. `draw.py` makes a PNG of it in a virtual environment of its own
(.venv-plot), because matplotlib and what it needs are larger than the rest of the tool.
"""
