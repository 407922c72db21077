"""CloudWatch: the metrics of load balancers, web ACLs and services from what really happens, and their alarms."""
