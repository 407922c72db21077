"""Getting the data back: a table as it was, beside the one that is in use."""
