"""`python -m app probe`: whether strings come back, what is refused, how long a revoked token works on."""
