"""Application Signals: service level objectives on CloudWatch's metrics, their budgets and burn rates."""
