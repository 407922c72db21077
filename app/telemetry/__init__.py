"""What the service tells about itself: access log, metrics in the log, and the management port."""
