"""The commands, a module for each subject: options and help. The work is done elsewhere."""
