"""What is there now: state, tasks, logs, drift, releases, the dashboard."""
