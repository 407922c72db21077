"""`make scan`: one module a check, a list of them in checks.py, one way to accept what is found."""
