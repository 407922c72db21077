"""What is asked of AWS, or of an endpoint that behaves like it: clients, stacks, change sets."""
