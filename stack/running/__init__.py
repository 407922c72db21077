"""While an operation runs: its progress, and why it failed."""
