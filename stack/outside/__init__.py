"""The service from outside: its address, tokens, and the checks of `make test`."""
