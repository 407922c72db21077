"""The commands of `python -m app` that work on the store, by subject."""
