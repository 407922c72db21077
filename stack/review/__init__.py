"""From a change to its approval: what it would do, what it must not, and its execution."""
