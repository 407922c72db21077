"""Accounts: names, passwords, sign-up, log-in, sessions, an account's tokens. Knows nothing of HTTP."""
