"""`make scan`: one module a check, a list of them in checks.py, one way to accept what is found.

Policies for templates are judged as each environment has them; their exceptions stand beside the resources.
"""
