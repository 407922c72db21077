"""`python -m app probe`: whether every string comes back, and how long a revoked token goes on working."""
