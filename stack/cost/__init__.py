"""What an environment costs a month: the resources of its resolved templates, times a table of prices."""
